//! Flags that Netcap had in 2019 and this version does not have.

use netcap_shell::Retired;

pub(crate) const RETIRED: Retired = Retired {
    refused: &[
        (
            &["nodefrag"],
            "fragments are always put together; leave the flag out",
        ),
        (
            &["cpuprof", "memprof", "memprofile"],
            "profiles are not available in this version; use `perf record netcap ...`",
        ),
    ],
    ignored: &[
        ("allowmissinginit", false),
        ("assembly_debug_log", false),
        ("assembly_memuse_log", false),
        ("conn-flush-interval", true),
        ("debug", false),
        ("dump", false),
        ("flow-flush-interval", true),
        ("flushevery", true),
        ("free-os-memory", true),
        ("ignorefsmerr", false),
        ("nooptcheck", false),
        ("verbose", false),
        ("writeincomplete", false),
    ],
};
