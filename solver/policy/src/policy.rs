//! The policy file (TOML): one table a concern, unknown keys refused.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use bigdecimal::{BigDecimal, num_bigint::Sign};
use serde::{Deserialize, Deserializer, de};

use crate::{
    forecast::ForecastConfig,
    oracle::GuardConfig,
    portfolio::{Costs, approximate},
    slicing::SlicingConfig,
    target::{Limits, TargetConfig, TargetError},
    time::Span,
    trigger::{Rule, Window},
};

/// When and where to rebalance.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// What reports call it.
    pub name: String,
    /// Where to be.
    pub target: TargetConfig,
    /// When to go there. Without any rule the portfolio is held.
    #[serde(default)]
    pub trigger: Trigger,
    /// How far to go.
    #[serde(default)]
    pub landing: Landing,
    /// Bounds of a target and of a trade.
    #[serde(default)]
    pub limits: Limits,
    /// What going costs.
    #[serde(default)]
    pub costs: Costs,
    /// What volatility and correlation to expect.
    #[serde(default)]
    pub forecast: ForecastConfig,
    /// In several slices; at once if not given.
    #[serde(default)]
    pub slicing: Option<SlicingConfig>,
    /// What prices are believed; unguarded if not given.
    #[serde(default)]
    pub guard: Option<GuardConfig>,
}

/// The `[trigger]` table.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Trigger {
    /// Any of these rules calls for a rebalance.
    pub any_of: Vec<Rule>,
    /// Least time between rebalances; slices of one do not count.
    pub cooldown: Span,
    /// When trading is allowed; always if there are none.
    pub windows: Vec<Window>,
    /// Least value moved, in the numeraire; less is not worth the trouble.
    #[serde(deserialize_with = "number")]
    pub min_notional: BigDecimal,
}

/// How far a rebalance goes: `"target"`, `"half"`, `"edge"`, `"cost_optimal"`, or a fraction of the band from 0 (target) to 1 (edge).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Landing {
    /// To the target weights.
    #[default]
    Target,
    /// To this fraction of each asset's band: 1 is its edge.
    Fraction(f64),
    /// To the landing `a` of the cost-optimal corridor.
    CostOptimal,
}

/// What is wrong with a policy file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// It cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not the TOML expected; the message has line and column.
    #[error("{path}: {source}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<toml::de::Error>,
    },
    /// A value makes no sense.
    #[error("{path}: `{field}`: {reason}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The key, dotted.
        field: String,
        /// Why.
        reason: String,
    },
}

impl Policy {
    /// Reads and checks a policy file.
    ///
    /// # Errors
    /// If it cannot be read, is not the TOML expected, or a value makes no sense.
    pub fn read(path: &Path) -> Result<Self, PolicyError> {
        let text = std::fs::read_to_string(path).map_err(|source| PolicyError::Read { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    /// Reads and checks the text of a policy; `path` is for messages.
    ///
    /// # Errors
    /// If it is not the TOML expected, or a value makes no sense.
    pub fn parse(text: &str, path: &Path) -> Result<Self, PolicyError> {
        let parsed = toml::from_str(text).map_err(|e| PolicyError::Parse { path: path.to_owned(), source: Box::new(e) });
        Self::checked(parsed?, path)
    }

    /// The same from a table, as `tune` makes them.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn of_table(table: toml::Table, path: &Path) -> Result<Self, PolicyError> {
        let parsed = table.try_into().map_err(|e| PolicyError::Parse { path: path.to_owned(), source: Box::new(e) });
        Self::checked(parsed?, path)
    }

    fn checked(self, path: &Path) -> Result<Self, PolicyError> {
        match self.check() {
            Ok(()) => Ok(self),
            Err((field, reason)) => Err(PolicyError::Invalid { path: path.to_owned(), field, reason }),
        }
    }

    fn check(&self) -> Result<(), (String, String)> {
        let named = |(field, reason): (&'static str, String)| (field.to_owned(), reason);
        self.target.check().map_err(|e| match e {
            TargetError::Invalid { field, reason } => (field, reason),
            other => ("target".to_owned(), other.to_string()),
        })?;
        self.forecast.check().map_err(named)?;
        if let Some(guard) = &self.guard {
            guard.check().map_err(named)?;
        }
        let costs = [
            ("costs.proportional", &self.costs.proportional),
            ("costs.gas", &self.costs.gas),
            ("costs.gas_per_leg", &self.costs.gas_per_leg),
            ("costs.impact", &self.costs.impact),
            ("trigger.min_notional", &self.trigger.min_notional),
        ];
        if let Some((field, value)) = costs.into_iter().find(|(_, v)| v.sign() == Sign::Minus) {
            return Err((field.to_owned(), format!("{value} is below zero")));
        }
        if approximate(&self.costs.proportional) >= 1.0 {
            return Err(("costs.proportional".to_owned(), "trading would cost all that is traded".to_owned()));
        }
        if !(self.limits.turnover > 0.0 && self.limits.turnover <= 1.0) {
            return Err(("limits.turnover".to_owned(), format!("{} is not from 0 to 1", self.limits.turnover)));
        }
        if !(0.0..=1.0).contains(&self.limits.min_weight) || !(0.0..=1.0).contains(&self.limits.max_weight) {
            return Err(("limits.max_weight".to_owned(), "weights are from 0 to 1".to_owned()));
        }
        for (i, group) in self.limits.group.iter().enumerate() {
            if !(0.0..=1.0).contains(&group.max) {
                return Err((format!("limits.group[{i}].max"), format!("{} is not from 0 to 1", group.max)));
            }
        }
        if let Some(slicing) = &self.slicing
            && !(1..=1_000).contains(&slicing.slices())
        {
            return Err(("slicing.slices".to_owned(), "from 1 to 1000".to_owned()));
        }
        check_rules("trigger.any_of", &self.trigger.any_of)?;
        let optimal = |rules: &[Rule]| has_cost_optimal(rules);
        if self.landing == Landing::CostOptimal && !optimal(&self.trigger.any_of) {
            return Err(("landing".to_owned(), "\"cost_optimal\" takes a rule of that name to say where it is".to_owned()));
        }
        Ok(())
    }

    /// The assets it speaks of.
    pub fn assets(&self) -> Vec<&str> {
        self.target.assets()
    }
}

fn has_cost_optimal(rules: &[Rule]) -> bool {
    rules.iter().any(|rule| match rule {
        Rule::CostOptimal { .. } => true,
        Rule::AllOf { rules } => has_cost_optimal(rules),
        _ => false,
    })
}

fn check_rules(at: &str, rules: &[Rule]) -> Result<(), (String, String)> {
    for (i, rule) in rules.iter().enumerate() {
        let positive = |field: &str, value: f64| {
            if value > 0.0 && value.is_finite() {
                Ok(())
            } else {
                Err((format!("{at}[{i}].{field}"), format!("{value} is not above zero")))
            }
        };
        let takes_time = |field: &str, span: Span| positive(field, span.seconds() as f64);
        match rule {
            Rule::DriftAbsolute { band } | Rule::DriftRelative { band } => positive("band", *band)?,
            Rule::TrackingError { limit } => positive("limit", *limit)?,
            Rule::Calendar { every, .. } => takes_time("every", *every)?,
            Rule::HitProbability { p, horizon, band } => {
                positive("band", *band)?;
                takes_time("horizon", *horizon)?;
                if !(*p > 0.0 && *p < 1.0) {
                    return Err((format!("{at}[{i}].p"), format!("{p} is not between 0 and 1")));
                }
            }
            Rule::CostOptimal { risk_aversion, penalty_volatility } => {
                positive("risk_aversion", *risk_aversion)?;
                positive("penalty_volatility", penalty_volatility.unwrap_or(1.0))?;
            }
            Rule::AllOf { rules } if rules.is_empty() => {
                return Err((format!("{at}[{i}].rules"), "all of nothing would always fire".to_owned()));
            }
            Rule::AllOf { rules } => check_rules(&format!("{at}[{i}].rules"), rules)?,
        }
    }
    Ok(())
}

impl<'de> Deserialize<'de> for Landing {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Landing;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"target\", \"half\", \"edge\", \"cost_optimal\" or a fraction from 0 to 1")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Landing, E> {
                match text {
                    "target" => Ok(Landing::Target),
                    "half" => Ok(Landing::Fraction(0.5)),
                    "edge" => Ok(Landing::Fraction(1.0)),
                    "cost_optimal" => Ok(Landing::CostOptimal),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Landing, E> {
                if (0.0..=1.0).contains(&value) {
                    Ok(Landing::Fraction(value))
                } else {
                    Err(E::invalid_value(de::Unexpected::Float(value), &self))
                }
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Landing, E> {
                self.visit_f64(value as f64)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A decimal of reasonable length: an exponent of a million digits is a denial of service, not money.
pub(crate) fn parse_number(text: &str) -> Option<BigDecimal> {
    let number: BigDecimal = text.trim().parse().ok()?;
    (number.fractional_digit_count().abs() <= 77 && number.digits() <= 154).then_some(number)
}

/// A decimal written as a string (`"0.1"`) or a number; of a number its shortest digits count, which are those written up to 15.
pub(crate) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BigDecimal, D::Error> {
    struct Visitor;
    impl de::Visitor<'_> for Visitor {
        type Value = BigDecimal;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a decimal number, best as a string such as \"0.25\"")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<BigDecimal, E> {
            parse_number(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
        }

        fn visit_f64<E: de::Error>(self, value: f64) -> Result<BigDecimal, E> {
            if value.is_finite() {
                self.visit_str(&value.to_string())
            } else {
                Err(E::invalid_value(de::Unexpected::Float(value), &self))
            }
        }

        fn visit_i64<E: de::Error>(self, value: i64) -> Result<BigDecimal, E> {
            Ok(value.into())
        }

        fn visit_u64<E: de::Error>(self, value: u64) -> Result<BigDecimal, E> {
            Ok(value.into())
        }
    }
    deserializer.deserialize_any(Visitor)
}

#[derive(Deserialize)]
struct Number(#[serde(deserialize_with = "number")] BigDecimal);

/// The same, where it may be missing.
pub(crate) fn optional_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BigDecimal>, D::Error> {
    Ok(Option::<Number>::deserialize(deserializer)?.map(|n| n.0))
}

/// The same, as the values of a table.
pub(crate) fn number_map<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, BigDecimal>, D::Error> {
    Ok(BTreeMap::<String, Number>::deserialize(deserializer)?.into_iter().map(|(k, n)| (k, n.0)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "name = 'x'\n[target]\nkind = 'fixed'\nweights = { A = '0.5', B = 0.5 }\n";

    fn error(more: &str) -> String {
        Policy::parse(&format!("{more}\n{LEAST}"), Path::new("x.toml")).unwrap_err().to_string()
    }

    #[test]
    fn the_least_policy_holds() {
        let policy = Policy::parse(LEAST, Path::new("x.toml")).unwrap();
        assert_eq!((policy.landing, policy.trigger.any_of.len()), (Landing::Target, 0));
        assert_eq!(policy.assets(), ["A", "B"]);
    }

    #[test]
    fn errors_name_file_and_key() {
        assert!(error("lnading = 'edge'").contains("unknown field `lnading`"));
        assert!(error("landing = 2").starts_with("x.toml"));
        assert!(error("landing = 'cost_optimal'").contains("`landing`"));
        assert!(error("costs.gas = '-1'").contains("`costs.gas`: -1 is below zero"));
        assert!(error("trigger.any_of = [{ rule = 'drift_absolute', band = 0 }]").contains("`trigger.any_of[0].band`"));
        assert!(
            error("trigger.any_of = [{ rule = 'hit_probability', band = 0.1, p = 1.5, horizon = '1d' }]").contains("any_of[0].p")
        );
        assert!(error("trigger.any_of = [{ rule = 'all_of', rules = [] }]").contains("any_of[0].rules"));
        assert!(error("forecast.volatility = { model = 'ewma', lambda = 1.0 }").contains("forecast.volatility.lambda"));
        assert!(error("guard.shrink = 2.0").contains("guard.shrink"));
        assert!(error("costs.gas = '1e999999999'").contains("decimal number"));
    }
}
