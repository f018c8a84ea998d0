//! Link types that have no header of their own: the packet begins with the layer that they name.
//! No record.

use netcap_dissect::{Cursor, Malformed, Next, Protocol, Selector};

/// LINKTYPE_MPLS: a stack of labels.
pub(crate) static MPLS: Protocol = Protocol::new("BareMPLS", |input, _| {
    onto(input, Selector::EtherType(0x8847))
})
.reached_by(&[Selector::LinkType(219)]);

/// LINKTYPE_SCTP.
pub(crate) static SCTP: Protocol =
    Protocol::new("BareSCTP", |input, _| onto(input, Selector::IpProto(132)))
        .reached_by(&[Selector::LinkType(248)]);

fn onto<'p>(input: &mut Cursor<'p>, selector: Selector) -> Result<Next<'p>, Malformed> {
    Ok(Next::Layer(selector, input.take_rest()))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::walk_packet;

    use super::*;

    #[test]
    fn each_leads_on() {
        let protocols = &[&MPLS, &SCTP];
        for (link_type, packet, selector) in [
            (219, b"\x00\x01\x01", Selector::EtherType(0x8847)),
            (248, b"\x00\x07\x00", Selector::IpProto(132)),
        ] {
            let fate = walk_packet(protocols, link_type, packet).fate;
            assert_eq!(fate, Fate::Unknown(selector));
        }
    }
}
