//! Which network addresses are of: tenants may have equal ones.

use std::hash::{Hash, Hasher};

use netcap_dissect::Level;

/// VLANs, virtual network and service instance of a flow or a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Identifiers of VLANs, outermost first, and zeros. More than these are left out.
    vlans: [u16; 4],
    /// Identifier of the virtual network, plus one; 0 where there is none.
    vni: u32,
    /// Service instance of a backbone bridge, plus one; 0 where there is none.
    service: u32,
}

impl Hash for Scope {
    /// In few words, as hashers take them fastest.
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let vlans = self.vlans.iter();
        state.write_u64(vlans.fold(0, |vlans, id| vlans << 16 | u64::from(*id)));
        state.write_u64(u64::from(self.service) << 32 | u64::from(self.vni));
    }
}

impl Scope {
    /// That of the last of these levels, which lie one inside the other: the innermost virtual
    /// network, the innermost service instance, and all VLANs, if they count.
    #[inline]
    pub fn of(levels: &[Level<'_>], vlans_count: bool) -> Scope {
        // Both have 24 bits.
        let innermost = |id: fn(&Level<'_>) -> Option<u32>| {
            let id = levels.iter().rev().find_map(id);
            id.map_or(0, |id| id.wrapping_add(1))
        };
        let scope = Scope {
            vni: innermost(|level| level.virtual_network),
            service: innermost(|level| level.service),
            ..Scope::default()
        };
        scope.with_vlans(levels, vlans_count)
    }

    /// The same with the VLANs of these levels, if they count.
    #[inline]
    pub(crate) fn with_vlans(mut self, levels: &[Level<'_>], vlans_count: bool) -> Scope {
        if vlans_count {
            levels
                .iter()
                .for_each(|level| self.enter(level.vlans.ids()));
        }
        self
    }

    /// A tag without a VLAN (IEEE 802.1Q-2022, table 9-2: identifier 0) only has a priority.
    #[inline]
    fn enter(&mut self, ids: &[u16]) {
        for id in ids.iter().filter(|id| **id != 0) {
            if let Some(slot) = self.vlans.iter_mut().find(|slot| **slot == 0) {
                *slot = *id;
            }
        }
    }

    /// Identifiers of the VLANs, outermost first.
    pub(crate) fn vlans(&self) -> impl Iterator<Item = u16> {
        self.vlans.into_iter().filter(|id| *id != 0)
    }

    /// Identifier of the virtual network.
    pub(crate) fn vni(&self) -> Option<u32> {
        self.vni.checked_sub(1)
    }

    /// Service instance.
    pub(crate) fn service(&self) -> Option<u32> {
        self.service.checked_sub(1)
    }
}
