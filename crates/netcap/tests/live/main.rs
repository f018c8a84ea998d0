//! Live capture as users meet it, on a pair of interfaces in a network namespace. Where that cannot
//! be had (no root, no `ip`, no libpcap), the tests say so and pass.

#![cfg(target_os = "linux")]

mod ends;
mod lab;
mod losses;
mod privileges;
mod records;
mod rotation;
