//! The words after a command: options are taken out by name, what remains is positional.

use std::collections::VecDeque;
use std::str::FromStr;

use anyhow::{Context, Result, anyhow, bail};

/// What the command line still holds.
pub(crate) struct Arguments(VecDeque<String>);

impl Arguments {
    pub(crate) fn new(words: impl Iterator<Item = String>) -> Self {
        Self(words.collect())
    }

    /// Takes `name` out and says whether it was there.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let position = self.0.iter().position(|word| word == name);
        position
            .and_then(|position| self.0.remove(position))
            .is_some()
    }

    /// Takes `name value` or `name=value` out.
    pub(crate) fn option(&mut self, name: &str) -> Result<Option<String>> {
        let is_it = |word: &String| {
            word.strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        };
        let Some(position) = self.0.iter().position(is_it) else {
            return Ok(None);
        };
        let word = self.0.remove(position).unwrap_or_default();
        match word.split_once('=') {
            Some((_, value)) => Ok(Some(value.to_owned())),
            None => self
                .0
                .remove(position)
                .map(Some)
                .ok_or_else(|| anyhow!("{name} needs a value")),
        }
    }

    /// The value of option `name`, or `default` if it is absent.
    pub(crate) fn parsed<T>(&mut self, name: &str, default: T) -> Result<T>
    where
        T: FromStr<Err = anyhow::Error>,
    {
        match self.option(name)? {
            Some(text) => text.parse().with_context(|| format!("{name} {text}")),
            None => Ok(default),
        }
    }

    /// The next word that is not an option; `what` names it if it is missing.
    pub(crate) fn positional(&mut self, what: &str) -> Result<String> {
        match self.0.pop_front() {
            Some(word) if word.starts_with('-') => bail!("unknown option {word}"),
            Some(word) => Ok(word),
            None => bail!("{what} is missing"),
        }
    }

    /// The next word, if there is one that is not an option.
    pub(crate) fn word(&mut self) -> Option<String> {
        self.0.pop_front_if(|word| !word.starts_with('-'))
    }

    /// Fails if anything is left that nobody asked for.
    pub(crate) fn finish(self) -> Result<()> {
        match self.0.front() {
            Some(word) => bail!("unexpected {word}"),
            None => Ok(()),
        }
    }
}

/// A number of octets, written `100MB`, `1GB`, `64kB` or `123`; decimal, as disks count.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Size(pub(crate) u64);

/// Units from the largest to the smallest.
const UNITS: [(&str, u64); 4] = [
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("", 1),
];

impl FromStr for Size {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let unit = text[digits.len()..].trim();
        let factor = UNITS
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(unit))
            .map(|(_, factor)| *factor);
        let size = digits
            .parse::<u64>()
            .ok()
            .zip(factor)
            .and_then(|(number, factor)| number.checked_mul(factor));
        size.map(Self)
            .ok_or_else(|| anyhow!("{text:?} is not a size such as 100MB or 1GB"))
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fits = |(_, factor): &&(&str, u64)| self.0.is_multiple_of(*factor);
        let (unit, factor) = UNITS.iter().find(fits).unwrap_or(&("", 1));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_and_write() {
        for text in ["10MB", "1GB", "64kB", "1234"] {
            assert_eq!(text.parse::<Size>().expect("a size").to_string(), text);
        }
        for text in ["", "MB", "1XB", "-1MB", "1.5GB", "99999999999GB"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }

    #[test]
    fn options_come_out_in_any_order() {
        let words = ["--size=5MB", "mixed", "--memory", "--out", "x.md"];
        let mut arguments = Arguments::new(words.into_iter().map(str::to_owned));
        assert!(arguments.flag("--memory") && !arguments.flag("--memory"));
        assert_eq!(
            arguments.option("--out").expect("has a value").as_deref(),
            Some("x.md")
        );
        assert_eq!(
            arguments.parsed("--size", Size(1)).expect("a size"),
            Size(5_000_000)
        );
        assert_eq!(arguments.positional("profile").expect("is there"), "mixed");
        arguments.finish().expect("nothing left");
    }
}
