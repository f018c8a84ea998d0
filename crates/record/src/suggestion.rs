//! Did you mean: the name that was probably meant.

/// The candidate that is nearest to `name`, if it is near at all.
pub fn closest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (distance(&name, &candidate.to_lowercase()), candidate))
        .min_by_key(|(distance, _)| *distance)
        // More changes than a third of the name is another name.
        .filter(|(distance, candidate)| 3 * distance <= candidate.len())
        .map(|(_, candidate)| candidate)
}

/// Least number of characters to insert, delete, replace or exchange with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let replaced = above[j] + usize::from(a[i] != b[j]);
            let mut least = replaced.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_others_not() {
        let names = ["TCP", "UDP", "Ethernet"];
        assert_eq!(closest("tcp", names), Some("TCP"));
        assert_eq!(closest("TPC", names), Some("TCP"));
        assert_eq!(closest("Ethernett", names), Some("Ethernet"));
        assert_eq!(closest("HTTP", names), None);
    }
}
