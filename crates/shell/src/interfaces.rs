//! Names of interfaces: one may have several.

use nix::net::if_::if_nametoindex;

/// The first two of these names that are the same interface: by name, or as the system numbers interfaces,
/// which knows their other names too (`ip link property add dev eth0 altname uplink`).
pub fn same_interface<N: AsRef<str>>(names: &[N]) -> Option<(&str, &str)> {
    let mut seen = Vec::new();
    for name in names.iter().map(AsRef::as_ref) {
        let index = if_nametoindex(name).ok();
        let is_same = |(other, number): &(&str, Option<u32>)| {
            *other == name || index.is_some() && *number == index
        };
        if let Some((other, _)) = seen.iter().find(|other| is_same(other)) {
            return Some((other, name));
        }
        seen.push((name, index));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_interface_is_told_by_its_name() {
        assert_eq!(same_interface(&["made-up", "lo", "other"]), None);
        let names = ["made-up", "lo", "made-up"];
        assert_eq!(same_interface(&names), Some(("made-up", "made-up")));
    }
}
