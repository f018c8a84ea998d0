//! Did you mean: the name that was probably meant.

/// The candidate that is nearest to `name`, if it is near at all.
pub(crate) fn closest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let name = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (distance(&name, &candidate.to_lowercase()), candidate))
        .min_by_key(|(distance, _)| *distance)
        // More changes than a third of the name is another name.
        .filter(|(distance, candidate)| 3 * distance <= candidate.len())
        .map(|(_, candidate)| candidate)
}

/// Least number of characters to insert, delete or replace (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.chars().count()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_others_not() {
        let names = ["TCP", "UDP", "Ethernet"];
        assert_eq!(closest("tcp", names), Some("TCP"));
        assert_eq!(closest("Ethernett", names), Some("Ethernet"));
        assert_eq!(closest("HTTP", names), None);
    }
}
