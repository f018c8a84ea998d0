//! Generated files are checked in, and current.

#[path = "../../../xtask/src/generated.rs"]
mod generated;

use std::path::Path;

#[test]
fn generated_files_are_current() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    for file in generated::all(root).unwrap() {
        assert!(
            file.is_current(root),
            "{} is not current: run cargo xtask gen",
            file.path
        );
    }
}
