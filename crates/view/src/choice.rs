//! What a browser asks for: the length of bars and history, and some of the hosts.
//!
//! Guarantee: whatever is asked for, an answer has at most [`MOST_STEPS`] pieces of history.

use std::collections::HashSet;

use netcap_agent::collect::SUMS_KEPT;

/// Pieces of a history at most: about as many as can be told apart on a small graph.
const MOST_STEPS: u32 = 200;
/// Seconds that a piece may have.
const STEPS: [u32; 8] = [1, 2, 5, 10, 20, 30, 60, 120];
/// The longest interval.
const LONGEST_INTERVAL: u32 = 60;
/// The history that is sent if nothing else is asked for.
const SPAN: u32 = 180;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Seconds of the interval of bars.
    interval: u32,
    /// Seconds of the history.
    span: u32,
    /// Labels of the hosts whose history and totals are wanted; all, if there are none.
    hosts: HashSet<String>,
}

impl Choice {
    /// Reads the query of a URL: `interval=10&span=600&host=lab&host=west`.
    ///
    /// # Errors
    /// What was expected.
    pub(crate) fn read(query: &str) -> Result<Choice, String> {
        let mut choice = Choice {
            interval: 1,
            span: SPAN,
            hosts: HashSet::new(),
        };
        let longest = SUMS_KEPT.as_secs() as u32;
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "interval" => choice.interval = seconds(&key, &value, 1, LONGEST_INTERVAL)?,
                "span" => choice.span = seconds(&key, &value, 10, longest)?,
                "host" => {
                    choice.hosts.insert(value.into_owned());
                }
                _ => return Err("expected interval, span or host\n".to_owned()),
            }
        }
        Ok(choice)
    }

    /// Seconds of the interval of bars.
    pub(crate) fn interval(&self) -> u32 {
        self.interval
    }

    /// Whether the history and the totals of this host are wanted.
    pub(crate) fn has(&self, label: &str) -> bool {
        self.hosts.is_empty() || self.hosts.contains(label)
    }

    /// Seconds of a piece of the history, and how many pieces there are.
    pub(crate) fn steps(&self) -> (u32, u32) {
        let fits = |step: &u32| *step >= self.interval && self.span.div_ceil(*step) <= MOST_STEPS;
        let step = STEPS
            .into_iter()
            .find(fits)
            .unwrap_or(STEPS[STEPS.len() - 1]);
        (step, self.span.div_ceil(step))
    }
}

fn seconds(key: &str, value: &str, least: u32, most: u32) -> Result<u32, String> {
    let number = value.parse().ok();
    let number = number.filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("{key}: expected {least} to {most} seconds\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read() {
        let choice = Choice::read("interval=10&span=600&host=a%26b&host=west").expect("right");
        assert_eq!((choice.interval, choice.span), (10, 600));
        assert!(choice.hosts.contains("a&b") && choice.hosts.len() == 2);
        for wrong in ["interval=0", "interval=61", "span=x", "span=1861", "x=1"] {
            assert!(Choice::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_history_has_no_more_pieces_than_can_be_drawn() {
        for (query, steps) in [
            ("", (1, 180)),
            ("span=600", (5, 120)),
            ("span=1860", (10, 186)),
            ("span=1860&interval=60", (60, 31)),
            ("interval=7", (10, 18)),
        ] {
            assert_eq!(
                Choice::read(query).expect("right").steps(),
                steps,
                "{query}"
            );
        }
    }
}
