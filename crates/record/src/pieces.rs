//! Nested messages that come in several pieces. Protobuf has every message be able to: the pieces of a
//! field that is not repeated, one behind the other, are the message ("Encoding", on merging).

use crate::wire::{Raw, next_field};
use crate::{Schema, Type, put};

/// Appends a message that is sound with the pieces of each nested message joined.
///
/// What is nested comes behind the other fields. Whatever the pieces, the octets that are held are about
/// as many as those that were given.
pub(crate) fn join(schema: &'static Schema, octets: Vec<u8>, out: &mut Vec<u8>) {
    let joined = split(schema, &octets, out);
    drop(octets);
    for (place, pieces) in joined.into_iter().enumerate() {
        let (Some(pieces), Some(field)) = (pieces, schema.fields.get(place)) else {
            continue;
        };
        if let Type::Message(nested) = field.ty {
            put::key(out, field.number, field.ty);
            put::delimited(out, |out| join(nested, pieces, out));
        }
    }
}

/// Appends all fields but the nested messages that are not repeated; gives those, by the places of their
/// fields.
fn split(schema: &'static Schema, octets: &[u8], out: &mut Vec<u8>) -> Vec<Option<Vec<u8>>> {
    let mut single = vec![None; schema.fields.len()];
    let mut rest = octets;
    while !rest.is_empty() {
        let before = rest;
        let Ok((number, _, raw)) = next_field(&mut rest) else {
            break;
        };
        let whole = &before[..before.len() - rest.len()];
        match (schema.by_number(number), raw) {
            (Some((place, field)), Raw::Octets(piece)) => match field.ty {
                Type::Message(nested) if field.repeated => {
                    put::key(out, number, field.ty);
                    put::delimited(out, |out| join(nested, piece.to_vec(), out));
                }
                Type::Message(_) => single[place].get_or_insert_with(Vec::new).extend(piece),
                _ => out.extend_from_slice(whole),
            },
            _ => out.extend_from_slice(whole),
        }
    }
    single
}
