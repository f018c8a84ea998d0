//! The end of the help: examples, and the table of exit codes.

/// The end of the help.
pub(crate) const TELLS_MORE: &str = "--help tells more, with examples and exit codes.";

/// Command lines to begin with.
pub(crate) const EXAMPLES: &str = "\
Examples:
  pcapper -i eth0                              what this host sends, at port 7073
  pcapper -i eth0 -m dst -p 7074 -f dst.log    what others send
  pcapper -i eth0 -i eth1 --allow 10.0.0.0/8   two interfaces, for collectors of one network
  pcapper -i eth0 -m none --listen none --extended 0.0.0.0 --cert a.pem --key a.key --client-ca lab.pem
                                               all of it, encrypted, for collectors that are known
  pcapper -i eth0 -m 'udp and not src %i'      datagrams from other addresses than the interface's
  pcapper --read a.pcap --mac 0a:00:00:00:00:01 --ip 10.99.0.1 --pace recorded";

/// The table of exit codes: those of 2019, and what these have no code for.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0 success, also after Ctrl-C or SIGTERM
  1 there can be no socket
  2 an address or port cannot be listened at, or a file for TLS is of no use
  4 the interface cannot be captured from, is gone, or libpcap is missing
  6 the filter is wrong, or makes no sense for the interface
  7 the system does not take the filter
  8 there can be no thread for collectors
  12 the command line is wrong
  13, 14, 18, 20 -i, -p, -f, -m lacks its value
  15 there is no such port
  16 there is no such interface, or it lacks the IPv4 address that the mode needs
  22 the interface has no MAC, and the mode needs one
  30 the capture of --read cannot be read, is malformed or cut short
  101 a bug: please report it
  130, 143 Ctrl-C or SIGTERM again, half a second after the first or later";
