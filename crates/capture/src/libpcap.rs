//! libpcap, opened at run time: live capture, capture filters, injection.
//!
//! Nothing of it is needed to build, and without it everything but this works. All `unsafe` code of
//! the project is in this file. What it relies on, and nothing else:
//!
//! - the functions have the types of libpcap 1.5 and later (pcap/pcap.h), which are its stable ABI;
//! - a `pcap_t` is used by one thread at a time, which `&mut self` sees to;
//! - what libpcap points to is copied before the next call.
#![expect(
    unsafe_code,
    reason = "a C library is called; the header says what is relied on"
)]

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{BorrowedFd, RawFd};
use std::ptr::{self, NonNull};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use libloading::Library;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::bpf::{Instruction, Program};
use crate::{Batch, LinkType, Timestamp};

/// Names that libpcap has on the systems we know: Linux, Debian's, macOS.
const NAMES: [&str; 4] = [
    "libpcap.so.1",
    "libpcap.so.0.8",
    "libpcap.so",
    "libpcap.A.dylib",
];

/// `PCAP_ERRBUF_SIZE`.
const ERROR_SIZE: usize = 256;
/// `PCAP_NETMASK_UNKNOWN`: `ip broadcast` is refused then.
const NETMASK_UNKNOWN: u32 = 0xffff_ffff;
/// `PCAP_TSTAMP_PRECISION_NANO`.
const NANOSECONDS: c_int = 1;
/// `PCAP_ERROR_BREAK`: the end of what can be read.
const ERROR_BREAK: c_int = -2;
/// `PCAP_ERROR_NO_SUCH_DEVICE`, `PCAP_ERROR_PERM_DENIED`, `PCAP_ERROR_IFACE_NOT_UP`,
/// `PCAP_ERROR_PROMISC_PERM_DENIED`.
const NO_SUCH_DEVICE: c_int = -5;
const PERMISSION_DENIED: c_int = -8;
const NOT_UP: c_int = -9;
const PROMISCUOUS_DENIED: c_int = -11;
/// `PCAP_IF_LOOPBACK`, `PCAP_IF_UP`.
const LOOPBACK: c_uint = 1;
const UP: c_uint = 2;

/// Why libpcap would not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LibpcapError {
    /// It is not installed.
    #[error(
        "libpcap is not installed: live capture and filters need it; \
         `apt install libpcap0.8` or your system's package of that name"
    )]
    Missing,
    /// It is too old to have a function.
    #[error("libpcap is too old: it has no {0}; version 1.5 and later have")]
    TooOld(&'static str),
    /// There is no such interface.
    #[error("{0}: no such interface; `netcap -interfaces` lists them")]
    NoSuchInterface(String),
    /// The user may not capture.
    #[error(
        "{0}: no permission to capture; run as root, or grant it once: \
         `sudo setcap cap_net_raw=eip $(command -v {program})`",
        program = program()
    )]
    NoPermission(String),
    /// The interface is down.
    #[error("{0}: the interface is down; `ip link set {0} up` brings it up")]
    Down(String),
    /// Something else, in libpcap's words.
    #[error("{name}: {message}")]
    Failed {
        /// The interface, or the filter expression.
        name: String,
        /// What libpcap says.
        message: String,
    },
}

/// What the program is called, for messages that name it.
fn program() -> String {
    let path = std::env::current_exe().ok();
    let name = path.as_deref().and_then(std::path::Path::file_name);
    name.map_or_else(
        || "netcap".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// An interface that can be captured from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name, to be given to [`open_live`].
    pub name: String,
    /// What it is, where the system tells.
    pub description: Option<String>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Whether it only leads back here.
    pub is_loopback: bool,
    /// Whether it is up.
    pub is_up: bool,
}

/// How an interface is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveOptions {
    /// Octets kept of each packet at most.
    pub snaplen: u32,
    /// Whether packets for others are wanted, where the interface sees them.
    pub promiscuous: bool,
    /// Octets of the kernel's ring.
    pub ring: u32,
    /// How long the kernel may collect packets before it hands them on.
    pub patience: Duration,
}

impl Default for LiveOptions {
    fn default() -> LiveOptions {
        LiveOptions {
            snaplen: 262_144,
            promiscuous: true,
            ring: 16 << 20,
            patience: Duration::from_millis(50),
        }
    }
}

/// What an interface counts since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiveStatistics {
    /// Packets that the filter let pass, including those dropped because the ring was full (on Linux).
    pub received: u64,
    /// Packets dropped because the ring was full.
    pub dropped: u64,
    /// Packets dropped by the interface or its driver, where it tells.
    pub dropped_by_interface: u64,
}

/// How long packets of before the filter may lie in the ring until they are read.
const UNFILTERED: Duration = Duration::from_secs(5);

/// An interface open for capture. Packets come by [`Live::read`].
pub struct Live {
    handle: NonNull<Pcap>,
    name: String,
    descriptor: RawFd,
    link_type: LinkType,
    is_nanoseconds: bool,
    /// What was captured before came without a filter: by the clock of packets, and by ours. `None`
    /// once all of that must have been read.
    filtered_since: Option<(Timestamp, Instant)>,
    is_filtered: bool,
    /// The system's counters are of 32 bits; these have wrapped into more.
    statistics: LiveStatistics,
    raw: RawStatistics,
}

/// `pcap_t`, of which nobody but libpcap knows the inside.
#[repr(C)]
struct Pcap {
    _private: [u8; 0],
}

/// `struct bpf_program`.
#[repr(C)]
struct RawProgram {
    length: c_uint,
    instructions: *mut RawInstruction,
}

/// `struct bpf_insn`.
#[repr(C)]
#[derive(Clone, Copy)]
struct RawInstruction {
    code: u16,
    jump_true: u8,
    jump_false: u8,
    k: u32,
}

/// `struct pcap_pkthdr`.
#[repr(C)]
struct RawHeader {
    time: nix::libc::timeval,
    captured: u32,
    original: u32,
}

/// `struct pcap_stat`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct RawStatistics {
    received: c_uint,
    dropped: c_uint,
    dropped_by_interface: c_uint,
}

/// `pcap_if_t`.
#[repr(C)]
struct RawInterface {
    next: *mut RawInterface,
    name: *mut c_char,
    description: *mut c_char,
    addresses: *mut RawAddress,
    flags: c_uint,
}

/// `struct pcap_addr`.
#[repr(C)]
struct RawAddress {
    next: *mut RawAddress,
    address: *mut nix::libc::sockaddr,
    netmask: *mut nix::libc::sockaddr,
    broadcast: *mut nix::libc::sockaddr,
    destination: *mut nix::libc::sockaddr,
}

/// Declares the functions that are looked up, with their types.
macro_rules! functions {
    ($($name:ident: fn($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// The functions of libpcap that are used.
        struct Functions {
            $($name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
        }

        impl Functions {
            fn find(library: &'static Library) -> Result<Functions, LibpcapError> {
                Ok(Functions {
                    $(
                        // SAFETY: the type is that of pcap/pcap.h, and the library is never closed.
                        $name: *unsafe { library.get(concat!(stringify!($name), "\0").as_bytes()) }
                            .map_err(|_| LibpcapError::TooOld(stringify!($name)))?,
                    )*
                })
            }
        }
    };
}

functions! {
    pcap_fopen_offline: fn(*mut nix::libc::FILE, *mut c_char) -> *mut Pcap;
    pcap_lookupnet: fn(*const c_char, *mut u32, *mut u32, *mut c_char) -> c_int;
    pcap_compile: fn(*mut Pcap, *mut RawProgram, *const c_char, c_int, u32) -> c_int;
    pcap_freecode: fn(*mut RawProgram);
    pcap_close: fn(*mut Pcap);
    pcap_geterr: fn(*mut Pcap) -> *mut c_char;
    pcap_findalldevs: fn(*mut *mut RawInterface, *mut c_char) -> c_int;
    pcap_freealldevs: fn(*mut RawInterface);
    pcap_create: fn(*const c_char, *mut c_char) -> *mut Pcap;
    pcap_set_snaplen: fn(*mut Pcap, c_int) -> c_int;
    pcap_set_promisc: fn(*mut Pcap, c_int) -> c_int;
    pcap_set_timeout: fn(*mut Pcap, c_int) -> c_int;
    pcap_set_buffer_size: fn(*mut Pcap, c_int) -> c_int;
    pcap_set_tstamp_precision: fn(*mut Pcap, c_int) -> c_int;
    pcap_get_tstamp_precision: fn(*mut Pcap) -> c_int;
    pcap_activate: fn(*mut Pcap) -> c_int;
    pcap_datalink: fn(*mut Pcap) -> c_int;
    pcap_setnonblock: fn(*mut Pcap, c_int, *mut c_char) -> c_int;
    pcap_get_selectable_fd: fn(*mut Pcap) -> c_int;
    pcap_setfilter: fn(*mut Pcap, *mut RawProgram) -> c_int;
    pcap_next_ex: fn(*mut Pcap, *mut *mut RawHeader, *mut *const u8) -> c_int;
    pcap_stats: fn(*mut Pcap, *mut RawStatistics) -> c_int;
    pcap_inject: fn(*mut Pcap, *const c_void, usize) -> c_int;
    pcap_lib_version: fn() -> *const c_char;
}

/// The functions, once found; the library stays open until the program ends.
fn functions() -> Result<&'static Functions, LibpcapError> {
    static FOUND: OnceLock<Result<Functions, LibpcapError>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let library = NAMES.into_iter().find_map(|name| {
            // SAFETY: libpcap has no initialisers that anything here could disturb.
            unsafe { Library::new(name) }.ok()
        });
        let library = library.ok_or(LibpcapError::Missing)?;
        Functions::find(Box::leak(Box::new(library)))
    });
    found.as_ref().map_err(Clone::clone)
}

/// What libpcap says of itself, as in `libpcap version 1.10.3`.
pub fn version() -> Result<String, LibpcapError> {
    let functions = functions()?;
    // SAFETY: it gives a static text.
    Ok(unsafe { text((functions.pcap_lib_version)()) }.unwrap_or_default())
}

/// The interfaces that can be captured from, in the system's order.
pub fn interfaces() -> Result<Vec<Interface>, LibpcapError> {
    let functions = functions()?;
    let mut error = [0; ERROR_SIZE];
    let mut first = ptr::null_mut();
    // SAFETY: both are where the results go, and the text has the size that is asked for.
    let result = unsafe { (functions.pcap_findalldevs)(&mut first, error.as_mut_ptr()) };
    if result != 0 {
        return Err(failed("interfaces", &error));
    }
    let mut interfaces = Vec::new();
    let mut next = first;
    // SAFETY: the list is libpcap's and ends in a null pointer; it is freed below, once.
    while let Some(interface) = unsafe { next.as_ref() } {
        // SAFETY: the same holds for its texts and its addresses.
        interfaces.push(unsafe {
            Interface {
                name: text(interface.name).unwrap_or_default(),
                description: text(interface.description),
                addresses: addresses(interface.addresses),
                is_loopback: interface.flags & LOOPBACK != 0,
                is_up: interface.flags & UP != 0,
            }
        });
        next = interface.next;
    }
    // SAFETY: what was found is not used any more.
    unsafe { (functions.pcap_freealldevs)(first) };
    Ok(interfaces)
}

/// The IP addresses of a list.
///
/// # Safety
///
/// The list is one of `pcap_findalldevs`.
unsafe fn addresses(mut next: *mut RawAddress) -> Vec<IpAddr> {
    let mut found = Vec::new();
    // SAFETY: as the caller says.
    while let Some(entry) = unsafe { next.as_ref() } {
        next = entry.next;
        // SAFETY: the address is null or one of its family.
        let Some(address) = (unsafe { entry.address.as_ref() }) else {
            continue;
        };
        match c_int::from(address.sa_family) {
            nix::libc::AF_INET => {
                // SAFETY: an address of this family is of this type.
                let ip = unsafe {
                    entry
                        .address
                        .cast::<nix::libc::sockaddr_in>()
                        .read_unaligned()
                };
                let octets = ip.sin_addr.s_addr.to_ne_bytes();
                found.push(IpAddr::V4(Ipv4Addr::from(octets)));
            }
            nix::libc::AF_INET6 => {
                // SAFETY: an address of this family is of this type.
                let ip = unsafe {
                    entry
                        .address
                        .cast::<nix::libc::sockaddr_in6>()
                        .read_unaligned()
                };
                found.push(IpAddr::V6(Ipv6Addr::from(ip.sin6_addr.s6_addr)));
            }
            _ => {}
        }
    }
    found
}

/// Octets of a packet that a program for a file asks to keep: all. tcpdump's own largest.
const WHOLE: u32 = 262_144;

/// Compiles a filter expression of tcpdump's language for packets in a file of a link type, as
/// `tcpdump -r` does; `is_swapped`: the file was written by a machine of the other byte order,
/// which some link types depend on. The error is libpcap's own.
pub fn compile(
    expression: &str,
    link_type: LinkType,
    is_swapped: bool,
) -> Result<Program, LibpcapError> {
    let functions = functions()?;
    let mut header = file_header(link_type, is_swapped);
    let mut error = [0; ERROR_SIZE];
    // SAFETY: the header outlives the stream, which only reads it and is closed below; the text
    // has the size that is asked for.
    let (stream, handle) = unsafe {
        let stream = nix::libc::fmemopen(header.as_mut_ptr().cast(), header.len(), c"rb".as_ptr());
        if stream.is_null() {
            return Err(explained(expression, "there is no memory for it"));
        }
        let handle = (functions.pcap_fopen_offline)(stream, error.as_mut_ptr());
        (stream, handle)
    };
    let Some(handle) = NonNull::new(handle) else {
        // SAFETY: the stream is open, and libpcap has not taken it.
        unsafe { nix::libc::fclose(stream) };
        return Err(failed(expression, &error));
    };
    // SAFETY: the handle is open; that closes the stream too.
    unsafe {
        // Of a file nobody knows the netmask: `ip broadcast` is all zeros or all ones, as in tcpdump.
        let compiled = compile_for(functions, handle, expression, 0);
        (functions.pcap_close)(handle.as_ptr());
        compiled
    }
}

/// The header of a pcap file without packets.
fn file_header(link_type: LinkType, is_swapped: bool) -> [u8; 24] {
    let mut header = [0; 24];
    header[..4].copy_from_slice(&0xa1b2_c3d4u32.to_ne_bytes());
    header[4..6].copy_from_slice(&2u16.to_ne_bytes());
    header[6..8].copy_from_slice(&4u16.to_ne_bytes());
    header[16..20].copy_from_slice(&WHOLE.to_ne_bytes());
    header[20..].copy_from_slice(&link_type.0.to_ne_bytes());
    if is_swapped {
        for field in [0..4, 4..6, 6..8, 16..20, 20..24] {
            header[field].reverse();
        }
    }
    header
}

/// Compiles an expression for the packets of a handle.
///
/// # Safety
///
/// The handle is open.
unsafe fn compile_for(
    functions: &Functions,
    handle: NonNull<Pcap>,
    expression: &str,
    netmask: u32,
) -> Result<Program, LibpcapError> {
    /// `pcap_compile` has state of its own before libpcap 1.8.
    static COMPILING: Mutex<()> = Mutex::new(());
    let terminated = CString::new(expression)
        .map_err(|_| explained(expression, "a filter expression holds no zero octet"))?;
    let mut raw = RawProgram {
        length: 0,
        instructions: ptr::null_mut(),
    };
    let _alone = COMPILING
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    // SAFETY: the text ends in zero, and the program is where the result goes.
    let result = unsafe {
        let optimised = 1;
        let text = terminated.as_ptr();
        (functions.pcap_compile)(handle.as_ptr(), &mut raw, text, optimised, netmask)
    };
    if result != 0 {
        // SAFETY: the handle is open and keeps the text of its last error.
        let message = unsafe { text((functions.pcap_geterr)(handle.as_ptr())) };
        return Err(explained(expression, &message.unwrap_or_default()));
    }
    let (start, length) = (raw.instructions, raw.length as usize);
    let instructions = if start.is_null() {
        &[]
    } else {
        // SAFETY: libpcap says that so many instructions are there; they are freed below.
        unsafe { std::slice::from_raw_parts(start, length) }
    };
    let program = Program::new(instructions.iter().map(|raw| Instruction {
        code: raw.code,
        jump_true: raw.jump_true,
        jump_false: raw.jump_false,
        k: raw.k,
    }));
    // SAFETY: the instructions are not used any more.
    unsafe { (functions.pcap_freecode)(&mut raw) };
    program.ok_or_else(|| explained(expression, "libpcap made a program that does not hold"))
}

/// Why an expression is no filter.
fn explained(expression: &str, message: &str) -> LibpcapError {
    LibpcapError::Failed {
        name: expression.to_owned(),
        message: message.to_owned(),
    }
}

/// Opens an interface for capture.
pub fn open_live(name: &str, options: &LiveOptions) -> Result<Live, LibpcapError> {
    let functions = functions()?;
    let mut error = [0; ERROR_SIZE];
    let device = CString::new(name).map_err(|_| LibpcapError::NoSuchInterface(name.to_owned()))?;
    // SAFETY: the name ends in zero and the text has the size that is asked for.
    let handle = unsafe { (functions.pcap_create)(device.as_ptr(), error.as_mut_ptr()) };
    let handle = NonNull::new(handle).ok_or_else(|| failed(name, &error))?;
    // From here on it is closed when this is dropped.
    let mut live = Live {
        handle,
        name: name.to_owned(),
        descriptor: -1,
        link_type: LinkType::NULL,
        is_nanoseconds: false,
        filtered_since: None,
        is_filtered: false,
        statistics: LiveStatistics::default(),
        raw: RawStatistics::default(),
    };
    let number = |n: u32| c_int::try_from(n).unwrap_or(c_int::MAX);
    let patience = u32::try_from(options.patience.as_millis()).unwrap_or(u32::MAX);
    // SAFETY: the handle is not active yet, as these want it; one that refuses keeps its default.
    let status = unsafe {
        (functions.pcap_set_snaplen)(handle.as_ptr(), number(options.snaplen));
        (functions.pcap_set_promisc)(handle.as_ptr(), c_int::from(options.promiscuous));
        (functions.pcap_set_timeout)(handle.as_ptr(), number(patience.max(1)));
        (functions.pcap_set_buffer_size)(handle.as_ptr(), number(options.ring));
        (functions.pcap_set_tstamp_precision)(handle.as_ptr(), NANOSECONDS);
        (functions.pcap_activate)(handle.as_ptr())
    };
    if status < 0 {
        let name = name.to_owned();
        return Err(match status {
            NO_SUCH_DEVICE => LibpcapError::NoSuchInterface(name),
            PERMISSION_DENIED | PROMISCUOUS_DENIED => LibpcapError::NoPermission(name),
            NOT_UP => LibpcapError::Down(name),
            _ => live.failure(),
        });
    }
    // SAFETY: the handle is active.
    unsafe {
        if (functions.pcap_setnonblock)(handle.as_ptr(), 1, error.as_mut_ptr()) != 0 {
            return Err(failed(name, &error));
        }
        live.descriptor = (functions.pcap_get_selectable_fd)(handle.as_ptr());
        live.link_type = link_type((functions.pcap_datalink)(handle.as_ptr()));
        live.is_nanoseconds = (functions.pcap_get_tstamp_precision)(handle.as_ptr()) == NANOSECONDS;
    }
    if live.descriptor < 0 {
        return Err(LibpcapError::Failed {
            name: name.to_owned(),
            message: "it cannot be waited for".to_owned(),
        });
    }
    Ok(live)
}

impl Live {
    /// The interface's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its packets begin with.
    pub fn link_type(&self) -> LinkType {
        self.link_type
    }

    /// Whether its times have nanoseconds, and not microseconds.
    pub fn is_nanoseconds(&self) -> bool {
        self.is_nanoseconds
    }

    /// Compiles a filter expression for this interface. A program of [`compile`] would not do: what
    /// the kernel keeps beside a packet, its VLAN tag and direction, is asked for where it is kept.
    pub fn compile(&mut self, expression: &str) -> Result<Program, LibpcapError> {
        let functions = functions()?;
        let (mut network, mut netmask) = (0, 0);
        let mut error = [0; ERROR_SIZE];
        let device = CString::new(self.name.as_str()).unwrap_or_default();
        // SAFETY: the name ends in zero, the numbers are where the results go, and the text has the
        // size that is asked for; the handle is open as long as `self` lives.
        unsafe {
            let is_known = (functions.pcap_lookupnet)(
                device.as_ptr(),
                &mut network,
                &mut netmask,
                error.as_mut_ptr(),
            ) == 0;
            let netmask = if is_known { netmask } else { NETMASK_UNKNOWN };
            compile_for(functions, self.handle, expression, netmask)
        }
    }

    /// Has the kernel drop what does not match; the program is one of [`Live::compile`]. May be called again:
    /// each packet is tested by one program or the other, on Linux at least, and on links whose packets
    /// begin alike for the kernel and for us, such as Ethernet and tunnels. On others some may be missed
    /// meanwhile, and are not counted.
    pub fn set_filter(&mut self, program: &Program) -> Result<(), LibpcapError> {
        let functions = functions()?;
        let mut raw: Vec<RawInstruction> = program
            .instructions()
            .iter()
            .map(|instruction| RawInstruction {
                code: instruction.code,
                jump_true: instruction.jump_true,
                jump_false: instruction.jump_false,
                k: instruction.k,
            })
            .collect();
        if self.attach(&mut raw) {
            return Ok(());
        }
        let mut program = RawProgram {
            length: raw.len() as c_uint,
            instructions: raw.as_mut_ptr(),
        };
        // SAFETY: the program lies in `raw`, which outlives the call; libpcap keeps a copy.
        match unsafe { (functions.pcap_setfilter)(self.handle.as_ptr(), &mut program) } {
            0 => Ok(()),
            _ => Err(self.failure()),
        }
    }

    /// Gives a program to the kernel itself, as libpcap would have it drop all packets for a moment. `false`:
    /// libpcap has to do it.
    #[cfg(target_os = "linux")]
    fn attach(&mut self, instructions: &mut [RawInstruction]) -> bool {
        use nix::libc::{SO_ATTACH_FILTER, SOL_SOCKET, setsockopt, sock_filter, sock_fprog};
        const {
            assert!(size_of::<sock_filter>() == size_of::<RawInstruction>());
        }
        // Elsewhere libpcap may change the program, as the kernel sees packets without their header.
        let is_alike = [LinkType::ETHERNET, LinkType::RAW].contains(&self.link_type);
        let Ok(len) = u16::try_from(instructions.len()) else {
            return false;
        };
        if !is_alike || len == 0 {
            return false;
        }
        let program = sock_fprog {
            len,
            filter: instructions.as_mut_ptr().cast(),
        };
        let size = size_of::<sock_fprog>() as nix::libc::socklen_t;
        // SAFETY: the descriptor is that of the handle, which is open as long as `self` lives; the instructions
        // have the kernel's form and outlive the call, which copies them.
        let status = unsafe {
            let program = (&raw const program).cast();
            setsockopt(self.descriptor, SOL_SOCKET, SO_ATTACH_FILTER, program, size)
        };
        if status == 0 && !std::mem::replace(&mut self.is_filtered, true) {
            let now = Timestamp::of_wall_clock(Duration::ZERO);
            self.filtered_since = Some((now, Instant::now()));
        }
        status == 0
    }

    #[cfg(not(target_os = "linux"))]
    fn attach(&mut self, _: &mut [RawInstruction]) -> bool {
        false
    }

    /// Waits for packets until then at most, and appends those that are there to the batch, as far
    /// as it has room. `interface` is the number that they get. Nothing within the time is no error.
    ///
    /// # Errors
    ///
    /// The interface has gone, or is down.
    pub fn read(
        &mut self,
        batch: &mut Batch,
        interface: u32,
        wait: Duration,
    ) -> Result<usize, LibpcapError> {
        let before = batch.len();
        if self.drain(batch, interface)? == 0 && batch.len() == before {
            self.wait(wait);
            self.drain(batch, interface)?;
        }
        Ok(batch.len() - before)
    }

    fn drain(&mut self, batch: &mut Batch, interface: u32) -> Result<usize, LibpcapError> {
        let functions = functions()?;
        let mut count = 0;
        while !batch.is_full() {
            let (mut header, mut octets) = (ptr::null_mut(), ptr::null());
            // SAFETY: both are where the results go.
            let result =
                unsafe { (functions.pcap_next_ex)(self.handle.as_ptr(), &mut header, &mut octets) };
            match result {
                1 => {
                    // SAFETY: after 1 both point to a packet, until the next call; it has as many
                    // octets as its header says were captured.
                    let (header, octets) = unsafe {
                        let header = &*header;
                        let captured = header.captured as usize;
                        (header, std::slice::from_raw_parts(octets, captured))
                    };
                    let fraction = header.time.tv_usec as u32;
                    let timestamp = Timestamp {
                        seconds: header.time.tv_sec,
                        nanos: if self.is_nanoseconds {
                            fraction
                        } else {
                            fraction * 1000
                        },
                    };
                    if let Some((since, at)) = self.filtered_since {
                        // The kernel hands packets on when its patience ends; and clocks may be set.
                        if at.elapsed() > UNFILTERED {
                            self.filtered_since = None;
                        } else if timestamp < since {
                            continue;
                        }
                    }
                    batch.push(
                        timestamp,
                        self.link_type,
                        interface,
                        header.original,
                        octets,
                    );
                    count += 1;
                }
                0 | ERROR_BREAK => return Ok(count),
                _ => return Err(self.failure()),
            }
        }
        Ok(count)
    }

    /// Waits until the interface has something to say, or as long as that.
    fn wait(&self, time: Duration) {
        let milliseconds = u16::try_from(time.as_millis()).unwrap_or(u16::MAX);
        // SAFETY: the descriptor is that of the handle, which is open as long as `self` lives.
        let descriptor = unsafe { BorrowedFd::borrow_raw(self.descriptor) };
        let mut polled = [PollFd::new(descriptor, PollFlags::POLLIN)];
        // Whatever it says, what there is to read is looked for afterwards.
        let _ = poll(&mut polled, PollTimeout::from(milliseconds));
    }

    /// What the system has counted since the interface was opened.
    pub fn statistics(&mut self) -> Result<LiveStatistics, LibpcapError> {
        let functions = functions()?;
        let mut raw = RawStatistics::default();
        // SAFETY: that is where the result goes.
        if unsafe { (functions.pcap_stats)(self.handle.as_ptr(), &mut raw) } != 0 {
            return Err(self.failure());
        }
        let grown = |now: c_uint, before: c_uint| u64::from(now.wrapping_sub(before));
        self.statistics.received += grown(raw.received, self.raw.received);
        self.statistics.dropped += grown(raw.dropped, self.raw.dropped);
        self.statistics.dropped_by_interface +=
            grown(raw.dropped_by_interface, self.raw.dropped_by_interface);
        self.raw = raw;
        Ok(self.statistics)
    }

    /// Sends a frame as it is.
    pub fn inject(&mut self, frame: &[u8]) -> Result<(), LibpcapError> {
        let functions = functions()?;
        // SAFETY: the frame is as long as that.
        let sent = unsafe {
            (functions.pcap_inject)(self.handle.as_ptr(), frame.as_ptr().cast(), frame.len())
        };
        if usize::try_from(sent) == Ok(frame.len()) {
            Ok(())
        } else {
            Err(self.failure())
        }
    }

    /// What libpcap says of its last failure.
    fn failure(&self) -> LibpcapError {
        let functions = match functions() {
            Ok(functions) => functions,
            Err(error) => return error,
        };
        // SAFETY: the handle is open and keeps the text of its last error.
        let message = unsafe { text((functions.pcap_geterr)(self.handle.as_ptr())) };
        LibpcapError::Failed {
            name: self.name.clone(),
            message: message.unwrap_or_default(),
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Ok(functions) = functions() {
            // SAFETY: the handle is open and nobody uses it any more.
            unsafe { (functions.pcap_close)(self.handle.as_ptr()) };
        }
    }
}

// SAFETY: a handle may go from thread to thread; only `&mut self` uses it.
unsafe impl Send for Live {}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live")
            .field("name", &self.name)
            .field("link_type", &self.link_type)
            .finish_non_exhaustive()
    }
}

/// A failure whose text libpcap wrote into a buffer.
fn failed(name: &str, error: &[c_char; ERROR_SIZE]) -> LibpcapError {
    // SAFETY: libpcap ends the text within the buffer; it was all zeros before.
    let message = unsafe { text(error.as_ptr()) }.unwrap_or_default();
    LibpcapError::Failed {
        name: name.to_owned(),
        message,
    }
}

/// A C text, if there is one.
///
/// # Safety
///
/// The pointer is null, or to a text that ends in zero.
unsafe fn text(start: *const c_char) -> Option<String> {
    if start.is_null() {
        return None;
    }
    // SAFETY: as the caller says.
    Some(
        unsafe { CStr::from_ptr(start) }
            .to_string_lossy()
            .into_owned(),
    )
}

/// DLT numbers that differ from the LINKTYPE of the same thing on Linux and macOS (pcap-common.c).
const DATA_LINKS: [(c_int, LinkType); 6] = [
    (11, LinkType::ATM_RFC1483),
    (12, LinkType::RAW),
    (15, LinkType::SLIP_BSDOS),
    (16, LinkType::PPP_BSDOS),
    (19, LinkType::ATM_CLIP),
    (18, LinkType(246)),
];

/// The LINKTYPE of a DLT.
fn link_type(data_link: c_int) -> LinkType {
    let found = DATA_LINKS.iter().find(|(number, _)| *number == data_link);
    found.map_or(LinkType(data_link.unsigned_abs()), |(_, link_type)| {
        *link_type
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether libpcap is there; tests without it say so and pass.
    fn is_here() -> bool {
        let found = version();
        if let Err(error) = &found {
            eprintln!("skipped: {error}");
        }
        found.is_ok()
    }

    #[test]
    fn filters_compile_or_are_explained() {
        if !is_here() {
            return;
        }
        let program = compile("tcp port 80", LinkType::ETHERNET, false).expect("a filter");
        assert!(program.instructions().len() > 5);
        let raw = compile("ip", LinkType::RAW, false).expect("a filter");
        assert_ne!(
            raw,
            compile("ip", LinkType::ETHERNET, false).expect("a filter")
        );
        let error = compile("tcp port", LinkType::ETHERNET, false).expect_err("no filter");
        assert!(error.to_string().contains("syntax error"), "{error}");
        assert!(compile("", LinkType::ETHERNET, false).is_ok());
        assert!(compile("a\0b", LinkType::ETHERNET, false).is_err());
    }

    #[test]
    fn no_such_interface() {
        if is_here() {
            let error = open_live("no-such-interface", &LiveOptions::default());
            let error = error.expect_err("there is none").to_string();
            assert!(error.contains("no-such-interface"), "{error}");
        }
    }
}
