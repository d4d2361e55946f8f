//! One rule of nftables: a small program of expressions.
//!
//! Each one works on a register: it loads something of the packet, compares it, or
//! decides. A comparison that does not hold ends the rule.
//!
//! Read: nft(8) (the words in the comments here are its), linux/netfilter/nf_tables.h

use std::net::Ipv4Addr;

use super::nft::{attribute, name, nested, number};

// Keys of what nftables knows beside a packet that libc does not have.
const META_IIFKIND: i32 = 26;
const META_OIFKIND: i32 = 27;

/// A rule as it is put together: tests from left to right, then what is done.
#[derive(Debug, Default)]
pub struct Rule {
    pub(super) expressions: Vec<u8>,
    pub(super) comment: Option<String>,
}

/// The registers that hold a test's value, or an address and a port.
const VERDICT: i32 = 0;
const FIRST: i32 = 1;
const SECOND: i32 = 2;

impl Rule {
    pub fn new() -> Self {
        Self::default()
    }

    /// What `nft list` shows beside it.
    pub fn comment(mut self, text: &str) -> Self {
        self.comment = Some(text.into());
        self
    }

    fn expression(mut self, kind: &str, parts: &[Vec<u8>]) -> Self {
        let body = [name(1, kind), nested(2, &parts.concat())].concat();
        self.expressions.extend(nested(1, &body));
        self
    }

    /// Goes on when the register holds `value`, or with `not` when it does not.
    fn compare(self, not: bool, value: &[u8]) -> Self {
        let data = nested(3, &attribute(1, value));
        self.expression("cmp", &[number(1, FIRST), number(2, not.into()), data])
    }

    /// Goes on when one of these bits is set. (… values that are compared are in
    /// the machine's own order, unless they are from a packet.)
    fn any_bit(self, bits: u32) -> Self {
        let value = |kind, value: u32| nested(kind, &attribute(1, &value.to_ne_bytes()));
        let width = number(3, 4);
        let parts = [
            number(1, FIRST),
            number(2, FIRST),
            width,
            value(4, bits),
            value(5, 0),
        ];
        self.expression("bitwise", &parts).compare(true, &[0; 4])
    }

    /// Loads bytes of the packet: `base` 1 is the IP header, 2 what comes after it.
    fn payload(self, base: i32, offset: i32, length: i32) -> Self {
        let parts = [
            number(1, FIRST),
            number(2, base),
            number(3, offset),
            number(4, length),
        ];
        self.expression("payload", &parts)
    }

    fn meta(self, key: i32) -> Self {
        self.expression("meta", &[number(2, key), number(1, FIRST)])
    }

    fn interface(self, key: i32, not: bool, device: &str) -> Self {
        // Compared in the whole length of an interface's name, zeros included.
        let mut value = [0; libc::IFNAMSIZ];
        let length = device.len().min(libc::IFNAMSIZ - 1);
        value[..length].copy_from_slice(&device.as_bytes()[..length]);
        self.meta(key).compare(not, &value)
    }

    /// `iifname DEVICE`
    pub fn comes_by(self, device: &str) -> Self {
        self.interface(libc::NFT_META_IIFNAME, false, device)
    }

    /// `iifname != DEVICE`
    pub fn comes_not_by(self, device: &str) -> Self {
        self.interface(libc::NFT_META_IIFNAME, true, device)
    }

    /// `oifname DEVICE`
    pub fn leaves_by(self, device: &str) -> Self {
        self.interface(libc::NFT_META_OIFNAME, false, device)
    }

    /// `oifname != DEVICE`
    pub fn leaves_not_by(self, device: &str) -> Self {
        self.interface(libc::NFT_META_OIFNAME, true, device)
    }

    /// `iifkind "bridge"`
    pub fn comes_by_a_bridge(self) -> Self {
        self.interface(META_IIFKIND, false, "bridge")
    }

    /// `oifkind "bridge"`
    pub fn leaves_by_a_bridge(self) -> Self {
        self.interface(META_OIFKIND, false, "bridge")
    }

    /// `ip saddr SUBNET`: the bits of the prefix, the others masked away.
    pub fn from(self, subnet: super::subnet::Subnet) -> Self {
        let mask = u32::MAX
            .checked_shl(32 - u32::from(subnet.prefix()))
            .unwrap_or(0);
        let parts = [
            number(1, FIRST),
            number(2, FIRST),
            number(3, 4),
            nested(4, &attribute(1, &mask.to_be_bytes())),
            nested(5, &attribute(1, &[0; 4])),
        ];
        self.payload(1, 12, 4)
            .expression("bitwise", &parts)
            .compare(false, &subnet.address().octets())
    }

    /// `ip daddr ADDRESS`
    pub fn to(self, address: Ipv4Addr) -> Self {
        self.payload(1, 16, 4).compare(false, &address.octets())
    }

    /// `ip daddr != 127.0.0.0/8`
    pub fn not_to_loopback(self) -> Self {
        self.payload(1, 16, 1).compare(true, &[127])
    }

    /// `fib daddr type local`: for an address of this machine.
    pub fn to_this_machine(self) -> Self {
        let parts = [
            number(1, FIRST),
            // The address' type, asked of the destination.
            number(2, 3),
            number(3, 2),
        ];
        let local = u32::from(libc::RTN_LOCAL);
        self.expression("fib", &parts)
            .compare(false, &local.to_ne_bytes())
    }

    /// `tcp dport PORT`, `udp dport PORT`
    pub fn to_port(self, protocol: &str, port: u16) -> Self {
        let protocol = match protocol {
            "udp" => libc::IPPROTO_UDP,
            _ => libc::IPPROTO_TCP,
        };
        self.meta(libc::NFT_META_L4PROTO)
            .compare(false, &[protocol as u8])
            .payload(2, 2, 2)
            .compare(false, &port.to_be_bytes())
    }

    /// `ct state established,related`: answers, and errors about what is let through.
    pub fn established(self) -> Self {
        self.expression("ct", &[number(2, 0), number(1, FIRST)])
            .any_bit(0b110)
    }

    /// `ct status dnat`: of a connection whose destination was changed.
    pub fn redirected(self) -> Self {
        self.expression("ct", &[number(2, 2), number(1, FIRST)])
            .any_bit(0x20)
    }

    fn immediate(self, register: i32, data: &[u8]) -> Self {
        self.expression("immediate", &[number(1, register), nested(2, data)])
    }

    fn verdict(self, code: i32, chain: &[u8]) -> Self {
        let verdict = [&number(1, code), chain].concat();
        self.immediate(VERDICT, &nested(2, &verdict))
    }

    pub fn accept(self) -> Self {
        self.verdict(libc::NF_ACCEPT, &[])
    }

    pub fn drop(self) -> Self {
        self.verdict(libc::NF_DROP, &[])
    }

    pub fn jump(self, chain: &str) -> Self {
        self.verdict(libc::NFT_JUMP, &name(2, chain))
    }

    /// `masquerade`: the sender becomes this machine, by the address of the
    /// interface that the packet leaves by.
    pub fn masquerade(self) -> Self {
        self.expression("masq", &[])
    }

    /// `dnat to ADDRESS:PORT`
    pub fn send_to(self, address: Ipv4Addr, port: u16) -> Self {
        let parts = [
            number(1, 1),
            number(2, libc::AF_INET),
            number(3, FIRST),
            number(5, SECOND),
        ];
        self.immediate(FIRST, &attribute(1, &address.octets()))
            .immediate(SECOND, &attribute(1, &port.to_be_bytes()))
            .expression("nat", &parts)
    }
}
