//! Which network addresses are of: tenants may have equal ones.

use std::hash::{Hash, Hasher};

use netcap_dissect::{Level, TunnelKind};

/// VLANs and virtual network of a flow or a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Identifiers of VLANs, outermost first, and zeros. More than these are left out.
    vlans: [u16; 4],
    /// Identifier of the virtual network, plus one; 0 where there is none.
    vni: u32,
}

impl Hash for Scope {
    /// In few words, as hashers take them fastest.
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let vlans = self.vlans.iter();
        state.write_u64(vlans.fold(0, |vlans, id| vlans << 16 | u64::from(*id)));
        state.write_u32(self.vni);
    }
}

impl Scope {
    /// That of the last of these levels, which lie one inside the other: the innermost virtual
    /// network, and all VLANs, if they count.
    #[inline]
    pub fn of(levels: &[Level<'_>], vlans_count: bool) -> Scope {
        let tunnels = levels.iter().rev().filter_map(|level| level.tunnel);
        let mut virtual_networks = tunnels.filter(|t| t.kind == TunnelKind::VirtualNetwork);
        let scope = Scope {
            vni: virtual_networks
                .next()
                .map_or(0, |tunnel| tunnel.number + 1),
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

    /// The same without the virtual network.
    pub(crate) fn without_vni(self) -> Scope {
        Scope { vni: 0, ..self }
    }

    /// Identifiers of the VLANs, outermost first.
    pub(crate) fn vlans(&self) -> impl Iterator<Item = u16> {
        self.vlans.into_iter().filter(|id| *id != 0)
    }

    /// Identifier of the virtual network.
    pub(crate) fn vni(&self) -> Option<u32> {
        self.vni.checked_sub(1)
    }
}
