//! One asset's volatility model, fed step by step.

use std::collections::VecDeque;

use super::{Ewma, Garch, Har, VolatilityConfig, YangZhang};

/// What a model sees of a step.
pub(super) struct Step {
    /// Log return, scaled to the step.
    pub r: f64,
    /// Sum of the squared returns of its bars, scaled to the step.
    pub realised: f64,
    /// Close before.
    pub before: f64,
    pub open: f64,
    pub high: f64,
    pub low: f64,
    pub close: f64,
}

/// The last `window` values, and when to fit again.
#[derive(Debug, Clone)]
pub(super) struct Rolling {
    values: VecDeque<f64>,
    window: usize,
    refit: usize,
    since_fit: usize,
}

impl Rolling {
    fn new(window: usize, refit: usize) -> Self {
        Self { values: VecDeque::new(), window, refit, since_fit: usize::MAX - 1 }
    }

    /// Takes in a value; whether a fit is due.
    fn push(&mut self, value: f64) -> bool {
        if self.values.len() == self.window {
            self.values.pop_front();
        }
        self.values.push_back(value);
        self.since_fit = self.since_fit.saturating_add(1);
        self.since_fit >= self.refit
    }
}

#[derive(Debug, Clone)]
pub(super) enum Model {
    Ewma(Ewma),
    Garch { rolling: Rolling, horizon: usize, fitted: Option<Garch> },
    Har { rolling: Rolling, fitted: Option<Har> },
    YangZhang(YangZhang),
}

impl Model {
    pub fn new(config: &VolatilityConfig) -> Self {
        match *config {
            VolatilityConfig::Ewma { lambda } => Self::Ewma(Ewma::new(lambda)),
            VolatilityConfig::Garch { window, refit, horizon } => {
                Self::Garch { rolling: Rolling::new(window, refit), horizon, fitted: None }
            }
            VolatilityConfig::Har { window, refit } => Self::Har { rolling: Rolling::new(window, refit), fitted: None },
            VolatilityConfig::YangZhang { window } => Self::YangZhang(YangZhang::new(window)),
        }
    }

    pub fn push(&mut self, step: &Step) {
        match self {
            Self::Ewma(ewma) => ewma.push(step.r),
            Self::YangZhang(yz) => yz.push(step.before, step.open, step.high, step.low, step.close),
            Self::Garch { rolling, fitted, .. } => {
                let due = rolling.push(step.r);
                if let Some(garch) = fitted {
                    garch.push(step.r);
                }
                if due && rolling.values.len() >= super::garch::FEWEST {
                    rolling.since_fit = 0;
                    // A fit that fails (a series that stopped moving) leaves the last one in place.
                    *fitted = Garch::fit(rolling.values.make_contiguous(), fitted.as_ref()).or(*fitted);
                }
            }
            Self::Har { rolling, fitted } => {
                if rolling.push(step.realised) && rolling.values.len() >= super::har::LONGEST + 10 {
                    rolling.since_fit = 0;
                    *fitted = Har::fit(rolling.values.make_contiguous()).or(*fitted);
                }
            }
        }
    }

    /// Variance per step of the next step (GARCH: mean over its horizon); none before the model has seen enough.
    pub fn variance(&self) -> Option<f64> {
        match self {
            Self::Ewma(ewma) => ewma.variance(),
            Self::YangZhang(yz) => yz.variance(),
            Self::Garch { horizon, fitted, .. } => Some(fitted.as_ref()?.forecast(*horizon).sum::<f64>() / *horizon as f64),
            Self::Har { rolling, fitted } => {
                let longest = rolling.values.len().checked_sub(super::har::LONGEST)?;
                let recent: Vec<f64> = rolling.values.range(longest..).copied().collect();
                fitted.as_ref()?.forecast(&recent)
            }
        }
    }
}
