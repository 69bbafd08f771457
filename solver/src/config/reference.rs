use std::fmt::Write;

use documented::{Documented, DocumentedFields};
use toml::{Table, Value};

use super::{Admin, Avoid, Config, Limits, Log, Server, Settings, Traces, Work};
#[cfg(feature = "chain")]
use super::{Intents, Submission};
use crate::archive::ArchiveConfig;
use crate::jit::JitConfig;
use crate::settlement::{self, Contracts};

/// Every key with what it means and its default: a file that may be used as it is.
pub fn reference() -> String {
    let mut text = String::from("# Every key of Ballast's configuration, with its default.\n");
    let Ok(defaults) = Table::try_from(Settings::default()) else { return text };
    text.push('\n');
    let scalars = defaults.iter().filter(|(_, value)| !value.is_table()).map(|(k, v)| (k.clone(), v.clone())).collect();
    keys::<Settings>(&mut text, &scalars, |name| defaults.get(name).is_some_and(Value::is_table));
    section::<Config>(&mut text, &defaults, "engine");
    section::<Limits>(&mut text, &defaults, "limits");
    section::<Server>(&mut text, &defaults, "server");
    section::<Work>(&mut text, &defaults, "work");
    section::<Avoid>(&mut text, &defaults, "avoid");
    section::<Admin>(&mut text, &defaults, "admin");
    section::<Log>(&mut text, &defaults, "log");
    section::<Traces>(&mut text, &defaults, "traces");
    section::<ArchiveConfig>(&mut text, &defaults, "archive");
    section::<JitConfig>(&mut text, &defaults, "jit");
    section::<settlement::Settings>(&mut text, &defaults, "settlement");
    section::<Contracts>(&mut text, &defaults, "settlement.contracts");
    #[cfg(feature = "chain")]
    section::<Submission>(&mut text, &defaults, "submission");
    #[cfg(feature = "chain")]
    section::<Intents>(&mut text, &defaults, "intents");
    text
}

fn section<T: Documented + DocumentedFields>(text: &mut String, defaults: &Table, name: &str) {
    text.push('\n');
    comment(text, T::DOCS);
    // Writing to a string does not fail.
    let _ = writeln!(text, "[{name}]");
    let found = name.split('.').try_fold(defaults, |table, part| table.get(part).and_then(Value::as_table));
    if let Some(values) = found {
        keys::<T>(text, values, |name| T::FIELD_NAMES.contains(&name) && nested(values, name));
    }
}

/// Whether a key is a table with a section of its own, and not one that is written on its line.
fn nested(values: &Table, name: &str) -> bool {
    values.get(name).and_then(Value::as_table).is_some_and(|table| !table.is_empty())
}

/// The keys of `T`, less those that are sections.
fn keys<T: DocumentedFields>(text: &mut String, values: &Table, is_section: impl Fn(&str) -> bool) {
    for (&name, docs) in T::FIELD_NAMES.iter().zip(T::FIELD_DOCS).filter(|(name, _)| !is_section(name)) {
        comment(text, docs);
        let _ = match values.get(name) {
            Some(value) => writeln!(text, "{name} = {value}"),
            None => writeln!(text, "# {name} ="),
        };
    }
}

fn comment(text: &mut String, docs: &str) {
    for line in docs.lines() {
        let _ = writeln!(text, "{}", format!("# {line}").trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_is_a_file_that_says_the_defaults() {
        let text = reference();
        assert_eq!(Settings::parse(&text).unwrap(), Settings::default(), "{text}");
    }

    /// `ballast config > solver/config/reference.toml` brings it up to date.
    #[test]
    #[cfg(feature = "chain")]
    fn the_reference_that_is_shipped_is_this_one() {
        assert_eq!(reference(), include_str!("../../config/reference.toml"));
    }

    #[test]
    fn every_section_and_key_is_in_the_reference() {
        let text = reference();
        let defaults = Table::try_from(Settings::default()).unwrap();
        for (name, value) in &defaults {
            if let Value::Table(section) = value {
                assert!(text.contains(&format!("\n[{name}]\n")), "{name}");
                for key in section.keys().filter(|key| !nested(section, key)) {
                    assert!(text.lines().any(|line| line.starts_with(&format!("{key} = "))), "{name}.{key}");
                }
            }
        }
        // Without a default.
        for line in ["# listen =", "# token =", "# endpoint ="] {
            assert!(text.lines().any(|l| l == line), "{line}");
        }
    }
}
