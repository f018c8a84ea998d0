//! `#[derive(Record)]`: lists the fields of an audit record, nothing else.
//!
//! ```ignore
//! /// One DNS message, query or response.          documentation of the record
//! #[derive(Record)]
//! #[record("DNS", 41)]                             message name, number in the enumeration `Type`
//! pub struct Dns<'a> {
//!     /// Capture time of the packet.              documentation of the field
//!     #[field(1, "Timestamp")]                     field number and name
//!     pub timestamp: Timestamp,
//!     ...
//! }
//! ```
//!
//! After the message name: `encoder = "TLS"`, `stem = "TLS"`, `nested = Tight`. After the field
//! name: `csv = Raw`, `csv = Decimals(8)`, `alias = "IPAddresses"`.
//!
//! Fields keep the order of the struct as columns and are encoded in the order of their numbers.
//! A record whose first field is its `Timestamp` gets the field `Nanoseconds` (100), which holds
//! what the text leaves out of captures finer than microseconds. One whose first field is `Timestamp`
//! or `TimestampFirst` has a file of its own and gets the fields that all such records share, with
//! numbers from 200: they are not encoded here, but appended by whoever knows them.

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Data, DeriveInput, Error, Expr, Fields, Ident, Lit, LitInt, LitStr, Token};

/// See the crate's documentation.
#[proc_macro_derive(Record, attributes(record, field))]
pub fn derive_record(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as DeriveInput);
    expand(&input)
        .unwrap_or_else(Error::into_compile_error)
        .into()
}

/// `"Name", 41, key = value, ...` or `41, "Name", key = value, ...`
struct Arguments {
    name: LitStr,
    number: Option<LitInt>,
    options: Vec<(Ident, Expr)>,
}

enum Argument {
    Name(LitStr),
    Number(LitInt),
    Option(Ident, Expr),
}

impl Parse for Argument {
    fn parse(input: ParseStream<'_>) -> syn::Result<Argument> {
        if input.peek(LitStr) {
            input.parse().map(Argument::Name)
        } else if input.peek(LitInt) {
            input.parse().map(Argument::Number)
        } else {
            let key = input.parse()?;
            input.parse::<Token![=]>()?;
            Ok(Argument::Option(key, input.parse()?))
        }
    }
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Arguments> {
        let (mut name, mut number, mut options) = (None, None, Vec::new());
        for argument in Punctuated::<Argument, Token![,]>::parse_terminated(input)? {
            match argument {
                Argument::Name(text) => name = Some(text),
                Argument::Number(n) => number = Some(n),
                Argument::Option(key, value) => options.push((key, value)),
            }
        }
        Ok(Arguments {
            name: name.ok_or_else(|| input.error("expected a name in quotes"))?,
            number,
            options,
        })
    }
}

fn expand(input: &DeriveInput) -> syn::Result<Tokens> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(input, "a record is a struct"));
    };
    let Fields::Named(named) = &data.fields else {
        return Err(Error::new_spanned(input, "a record has named fields"));
    };
    let record = arguments(&input.attrs, "record", &input.ident)?;
    let name = &record.name;
    let (mut encoder, mut stem, mut nested) = (quote!(#name), quote!(#name), quote!(Separated));
    for (key, value) in &record.options {
        match key.to_string().as_str() {
            "encoder" => encoder = quote!(#value),
            "stem" => stem = quote!(#value),
            "nested" => nested = quote!(#value),
            _ => {
                return Err(Error::new_spanned(
                    key,
                    "a record knows encoder, stem and nested",
                ));
            }
        }
    }
    let number = match &record.number {
        Some(n) => quote!(Some(#n)),
        None => quote!(None),
    };
    let doc = documentation(&input.attrs);

    let mut definitions = Vec::new();
    let mut encoders = Vec::new();
    // The fields that are not in the struct come last in the list.
    let mut added = Vec::new();
    for field in &named.named {
        let (ident, ty) = (&field.ident, &field.ty);
        let arguments = arguments(&field.attrs, "field", field)?;
        let (mut csv, mut alias) = (quote!(Default), quote!(None));
        for (key, value) in &arguments.options {
            match key.to_string().as_str() {
                "csv" => csv = quote!(#value),
                "alias" => alias = quote!(Some(#value)),
                _ => return Err(Error::new_spanned(key, "a field knows csv and alias")),
            }
        }
        let Some(number) = arguments.number else {
            return Err(Error::new_spanned(field, "a field has a number"));
        };
        let (name, doc) = (&arguments.name, documentation(&field.attrs));
        definitions.push(quote! {
            ::netcap_record::Field {
                name: #name,
                alias: #alias,
                number: #number,
                ty: <#ty as ::netcap_record::Value>::TYPE,
                repeated: <#ty as ::netcap_record::Value>::REPEATED,
                csv: ::netcap_record::Csv::#csv,
                doc: #doc,
            }
        });
        let order: u32 = number.base10_parse()?;
        if order >= 200 {
            let message = "numbers from 200 are for fields that all records share";
            return Err(Error::new_spanned(number, message));
        }
        encoders.push((
            order,
            quote!(::netcap_record::Value::encode(&self.#ident, #number, out);),
        ));
        let has_time = order == 1 && name.value() == "Timestamp";
        if has_time {
            added.push(quote! {
                ::netcap_record::Field {
                    name: "Nanoseconds",
                    alias: None,
                    number: 100,
                    ty: ::netcap_record::Type::Uint32,
                    repeated: false,
                    csv: ::netcap_record::Csv::Hidden,
                    doc: "Nanoseconds after the microsecond of `Timestamp`, 0 to 999.",
                }
            });
            encoders.push((
                100,
                quote!(::netcap_record::Value::encode(&self.#ident.below_microsecond(), 100, out);),
            ));
        }
        if has_time || order == 1 && name.value() == "TimestampFirst" {
            added.push(quote!(::netcap_record::PACKET_NUMBER));
        }
    }
    definitions.extend(added);
    encoders.sort_by_key(|(number, _)| *number);
    if let Some(pair) = encoders.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        let message = format!("field number {} is used twice", pair[0].0);
        return Err(Error::new_spanned(&input.ident, message));
    }
    let encoders = encoders.iter().map(|(_, tokens)| tokens);

    let ident = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    Ok(quote! {
        impl #generics ::netcap_record::Record for #ident #arguments #bounds {
            const SCHEMA: &'static ::netcap_record::Schema = &::netcap_record::Schema {
                name: #name,
                number: #number,
                encoder: #encoder,
                stem: #stem,
                doc: #doc,
                nested: ::netcap_record::Nested::#nested,
                fields: &[#(#definitions),*],
            };

            #[inline]
            fn encode(&self, out: &mut Vec<u8>) {
                #(#encoders)*
            }
        }

        impl #generics ::netcap_record::Element for #ident #arguments #bounds {
            const TYPE: ::netcap_record::Type =
                ::netcap_record::Type::Message(<Self as ::netcap_record::Record>::SCHEMA);

            fn is_default(&self) -> bool {
                false
            }

            fn write(&self, out: &mut Vec<u8>) {
                ::netcap_record::frame(self, out);
            }
        }
    })
}

fn arguments(
    attributes: &[syn::Attribute],
    name: &str,
    place: impl quote::ToTokens,
) -> syn::Result<Arguments> {
    match attributes.iter().find(|a| a.path().is_ident(name)) {
        Some(attribute) => attribute.parse_args(),
        None => Err(Error::new_spanned(
            place,
            format!("#[{name}(...)] is missing"),
        )),
    }
}

/// The doc comment, lines joined.
fn documentation(attributes: &[syn::Attribute]) -> String {
    let mut text = String::new();
    for attribute in attributes.iter().filter(|a| a.path().is_ident("doc")) {
        if let syn::Meta::NameValue(pair) = &attribute.meta
            && let Expr::Lit(syn::ExprLit {
                lit: Lit::Str(line),
                ..
            }) = &pair.value
        {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(line.value().trim());
        }
    }
    text
}
