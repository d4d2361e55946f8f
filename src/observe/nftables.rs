//! The packet filter of the network namespace that the caller is in: chains
//! and rules of nf_tables, read through netlink and told as nft(8) writes them.
//! What iptables-nft(8) makes is in there too.
//!
//! A rule is a small program for a machine with registers: `meta load oifname`
//! puts a value into one, `cmp` compares it, `masq` acts. Read back, a load and
//! the test on it make one phrase: `oifname "up"`.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use anyhow::Result;
use netlink_sys::protocols::NETLINK_NETFILTER;
use nix::errno::Errno;

use super::netlink::Netlink;
use super::proc::visible;
use crate::state::facts::Chain;

// <linux/netfilter/nf_tables.h>; the library of C constants has few of them.
const SUBSYSTEM: u16 = 10 << 8;
const GET_CHAIN: u16 = SUBSYSTEM | 4;
const GET_RULE: u16 = SUBSYSTEM | 7;
const GET_ELEMENTS: u16 = SUBSYSTEM | 13;
const INET: u8 = 1;
const ARP: u8 = 3;
const NETDEV: u8 = 5;
const BRIDGE: u8 = 7;
const IPV4: u8 = 2;
const IPV6: u8 = 10;

/// The chains by family, table and name: `ip nat postrouting`. None where the
/// caller may not see them: that takes CAP_NET_ADMIN over the namespace.
pub fn read() -> Result<BTreeMap<String, Chain>> {
    let mut chains = BTreeMap::new();
    for message in &dump(GET_CHAIN, 0, &[])? {
        // NFTA_CHAIN_TABLE 1, NAME 3, HOOK 4, POLICY 5, TYPE 7.
        let attributes = message.attributes();
        let hook = attributes.nested(4);
        let is_base = hook.get(1).is_some();
        let chain = Chain {
            hook: is_base.then(|| hook_text(message.family, &attributes, &hook)),
            policy: attributes.number(5).map(|policy| match policy {
                0 => "drop".into(),
                _ => "accept".into(),
            }),
            rules: Vec::new(),
        };
        chains.insert(message.key(&attributes.text(1), &attributes.text(3)), chain);
    }
    if chains.is_empty() {
        return Ok(chains);
    }
    for message in dump(GET_RULE, 0, &[])? {
        // NFTA_RULE_TABLE 1, CHAIN 2, EXPRESSIONS 4: a list of name and data.
        let attributes = message.attributes();
        let key = message.key(&attributes.text(1), &attributes.text(2));
        if let Some(chain) = chains.get_mut(&key) {
            let mut phrases = Phrases::new(message.family, attributes.text(1));
            for (_, element) in attributes.nested(4).0 {
                let expression = Attributes::parse(element);
                phrases.add(&expression.text(1), &expression.nested(2));
            }
            chain.rules.push(phrases.text());
        }
    }
    Ok(chains)
}

fn hook_text(family: u8, chain: &Attributes<'_>, hook: &Attributes<'_>) -> String {
    // NFTA_HOOK_HOOKNUM 1, PRIORITY 2, DEV 3.
    let number = hook.number(1).unwrap_or_default();
    let names: &[&str] = match family {
        ARP => &["input", "output"],
        NETDEV => &["ingress", "egress"],
        _ => &[
            "prerouting",
            "input",
            "forward",
            "output",
            "postrouting",
            "ingress",
        ],
    };
    let name = names.get(number as usize).copied().unwrap_or("unknown");
    let device = match hook.get(3) {
        Some(_) => format!(" device \"{}\"", hook.text(3)),
        None => String::new(),
    };
    let priority = hook.number(2).unwrap_or_default() as i32;
    // The names that nft(8) gives to the usual ones, whichever was written.
    let priority = match (family, priority) {
        (BRIDGE | ARP | NETDEV, other) => other.to_string(),
        (_, -300) => "raw".into(),
        (_, -150) => "mangle".into(),
        (_, -100) => "dstnat".into(),
        (_, 0) => "filter".into(),
        (_, 50) => "security".into(),
        (_, 100) => "srcnat".into(),
        (_, other) => other.to_string(),
    };
    let kind = chain.text(7);
    format!("type {kind} hook {name}{device} priority {priority}")
}

/// One entry of a dump.
struct Message {
    family: u8,
    body: Vec<u8>,
}

impl Message {
    fn attributes(&self) -> Attributes<'_> {
        Attributes::parse(&self.body)
    }

    fn key(&self, table: &str, chain: &str) -> String {
        let family = match self.family {
            INET => "inet",
            IPV4 => "ip",
            ARP => "arp",
            NETDEV => "netdev",
            BRIDGE => "bridge",
            IPV6 => "ip6",
            _ => "unknown",
        };
        format!("{family} {table} {chain}")
    }
}

/// A whole table of the kernel; empty where it is not for the caller. The
/// names say which one (attributes 1, 2, …), where there are several.
fn dump(kind: u16, family: u8, names: &[&str]) -> Result<Vec<Message>> {
    // A kernel without netfilter has no rules.
    let Ok(mut netlink) = Netlink::open(NETLINK_NETFILTER, "NETLINK_NETFILTER") else {
        return Ok(Vec::new());
    };
    // struct nfgenmsg, then the names; family 0 asks for those of all.
    let mut body = vec![family, 0, 0, 0];
    for (kind, name) in (1u16..).zip(names) {
        let length = 4 + name.len() + 1;
        body.extend((length as u16).to_ne_bytes());
        body.extend(kind.to_ne_bytes());
        body.extend(name.as_bytes());
        body.resize(body.len() + 1 + length.next_multiple_of(4) - length, 0);
    }
    let mut messages = Vec::new();
    let answer = netlink.dump(kind, &body, |_, message| {
        messages.push(Message {
            family: message.first().copied().unwrap_or_default(),
            body: message.get(4..).unwrap_or_default().to_vec(),
        });
    });
    match answer {
        // The last two: no nf_tables in this kernel.
        Err(error)
            if matches!(
                error.downcast_ref(),
                Some(Errno::EPERM | Errno::EINVAL | Errno::EOPNOTSUPP)
            ) =>
        {
            Ok(messages)
        }
        answer => answer.map(|()| messages),
    }
}

/// The attributes of a message, in their order.
struct Attributes<'a>(Vec<(u16, &'a [u8])>);

impl<'a> Attributes<'a> {
    fn parse(mut bytes: &'a [u8]) -> Self {
        let mut all = Vec::new();
        while let Some(header) = bytes.get(..4) {
            let length = u16::from_ne_bytes([header[0], header[1]]) as usize;
            // Two bits tell that it is nested, and of the network's byte order.
            let kind = u16::from_ne_bytes([header[2], header[3]]) & 0x3fff;
            let Some(value) = bytes.get(4..length) else {
                break;
            };
            all.push((kind, value));
            bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Self(all)
    }

    fn get(&self, kind: u16) -> Option<&'a [u8]> {
        self.0
            .iter()
            .find(|(other, _)| *other == kind)
            .map(|(_, value)| *value)
    }

    fn nested(&self, kind: u16) -> Self {
        Self::parse(self.get(kind).unwrap_or_default())
    }

    /// Numbers of nf_tables are big-endian.
    fn number(&self, kind: u16) -> Option<u64> {
        self.get(kind).map(number_be)
    }

    fn text(&self, kind: u16) -> String {
        c_text(self.get(kind).unwrap_or_default())
    }

    /// The bytes of an attribute that holds a value.
    fn data(&self, kind: u16) -> &'a [u8] {
        self.nested(kind).get(1).unwrap_or_default()
    }
}

fn c_text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0);
    let bytes = &bytes[..end.unwrap_or(bytes.len())];
    visible(String::from_utf8_lossy(bytes).into_owned())
}

fn number_be(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .take(8)
        .fold(0, |number, &byte| number << 8 | u64::from(byte))
}

fn number_ne(bytes: &[u8]) -> u32 {
    bytes.try_into().map_or(0, u32::from_ne_bytes)
}

/// How the bytes of a field are to be read.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Address4,
    Address6,
    Mac,
    Name,
    /// Of the network: a port, a length.
    Number,
    /// Of this machine: a mark, an id.
    Host,
    Interface,
    Protocol,
    NetworkProtocol,
    EtherType,
    State,
    Status,
    TcpFlags,
    IcmpType,
}

/// What a register holds.
#[derive(Clone)]
enum Register {
    /// A field of the packet, and the mask put over it.
    Field {
        name: String,
        form: Form,
        /// In bytes, where less than the whole field was loaded.
        part: Option<usize>,
        mask: Option<Vec<u8>>,
    },
    Value(Vec<u8>),
}

/// A rule in the making.
struct Phrases {
    family: u8,
    table: String,
    registers: BTreeMap<u64, Register>,
    /// Phrases; a test that a later one repeats in its own words is taken out.
    words: Vec<Option<String>>,
    /// The protocols that tests have settled so far, each with the phrase that
    /// says so: `tcp dport` needs no `meta l4proto tcp` before it.
    transport: Option<(u8, usize)>,
    network: Option<(u8, usize)>,
}

impl Phrases {
    fn new(family: u8, table: String) -> Self {
        Self {
            family,
            table,
            registers: BTreeMap::new(),
            words: Vec::new(),
            transport: None,
            network: None,
        }
    }

    fn text(self) -> String {
        let words: Vec<String> = self.words.into_iter().flatten().collect();
        words.join(" ")
    }

    fn say(&mut self, words: impl Into<String>) {
        self.words.push(Some(words.into()));
    }

    /// Takes up one expression. The numbers of its attributes are those of its
    /// own enumeration, `NFTA_NAME_…`; an unknown expression is told by its name.
    fn add(&mut self, name: &str, data: &Attributes<'_>) {
        match name {
            "meta" | "ct" | "payload" => self.load_or_set(name, data),
            // DREG 1, DATA 2: a value for a register, or a verdict (2 in the data).
            "immediate" => {
                let value = data.nested(2);
                match value.get(2) {
                    Some(_) => self.say(verdict(&value.nested(2))),
                    None => {
                        let value = Register::Value(value.get(1).unwrap_or_default().to_vec());
                        self.put(data.number(1), value);
                    }
                }
            }
            // SREG 1, DREG 2, MASK 4.
            "bitwise" => {
                let source = data.number(1).and_then(|at| self.registers.get(&at));
                if let Some(Register::Field {
                    name, form, part, ..
                }) = source.cloned()
                {
                    let mask = Some(data.data(4).to_vec());
                    self.put(
                        data.number(2),
                        Register::Field {
                            name,
                            form,
                            part,
                            mask,
                        },
                    );
                }
            }
            "cmp" => self.compare(data),
            // SREG 1, OP 2, FROM_DATA 3, TO_DATA 4.
            "range" => {
                let (from, to) = (data.data(3), data.data(4));
                let negated = data.number(2) == Some(1);
                if let Some(Register::Field { name, form, .. }) = self.register(data, 1) {
                    let (from, to) = (value_text(form, from), value_text(form, to));
                    let not = if negated { "!= " } else { "" };
                    self.say(format!("{name} {not}{from}-{to}"));
                }
            }
            // SET 1, SREG 2, FLAGS 5: 1 is "not in it".
            "lookup" => {
                let not = if data.number(5) == Some(1) { "!= " } else { "" };
                if let Some(Register::Field { name, form, .. }) = self.register(data, 2) {
                    let set = self.set(&data.text(1), form);
                    self.say(format!("{name} {not}{set}"));
                }
            }
            // How often is chance, whether at all is not.
            "counter" => match data.number(2) {
                Some(0) => self.say("counter packets 0"),
                _ => self.say("counter"),
            },
            // TYPE 1, FAMILY 2, registers: ADDR_MIN 3, MAX 4, PROTO_MIN 5, MAX 6.
            "nat" => {
                let action = if data.number(1) == Some(1) {
                    "dnat"
                } else {
                    "snat"
                };
                let family = match (self.family, data.number(2)) {
                    (INET, Some(2)) => " ip",
                    (INET, Some(10)) => " ip6",
                    _ => "",
                };
                let to = self.address_and_port(data, [3, 4], [5, 6]);
                self.say(format!("{action}{family}{to}"));
            }
            // PROTO_MIN 2, MAX 3; there is no address to say.
            "masq" => {
                let to = self.address_and_port(data, [0, 0], [2, 3]);
                self.say(format!("masquerade{to}"));
            }
            "redir" => {
                let to = self.address_and_port(data, [0, 0], [1, 2]);
                self.say(format!("redirect{to}"));
            }
            "reject" => match data.number(1) {
                Some(1) => self.say("reject with tcp reset"),
                _ => self.say("reject"),
            },
            "log" => match data.get(2) {
                Some(_) => self.say(format!("log prefix \"{}\"", data.text(2))),
                None => self.say("log"),
            },
            // RATE 1, UNIT 2 in seconds, TYPE 4: packets or bytes.
            "limit" => {
                let unit = match data.number(2) {
                    Some(1) => "second",
                    Some(60) => "minute",
                    Some(3600) => "hour",
                    Some(86400) => "day",
                    _ => "week",
                };
                let bytes = if data.number(4) == Some(1) {
                    " bytes"
                } else {
                    ""
                };
                let rate = data.number(1).unwrap_or_default();
                self.say(format!("limit rate {rate}{bytes}/{unit}"));
            }
            // Extensions of the old iptables(8).
            "target" | "match" => {
                let words = extension(&data.text(1), data.get(3).unwrap_or_default());
                self.say(words);
            }
            other => self.say(other),
        }
    }

    /// `@NAME`, or of a set that has a number for a name what is in it.
    fn set(&self, name: &str, form: Form) -> String {
        if !name.starts_with("__") {
            return format!("@{name}");
        }
        let lists = dump(GET_ELEMENTS, self.family, &[&self.table, name]);
        let mut values = Vec::new();
        for list in lists.unwrap_or_default() {
            for (_, element) in list.attributes().nested(3).0 {
                let element = Attributes::parse(element);
                // The ends of an interval are elements, too: those are not read.
                if element.number(3).unwrap_or_default() & 1 != 0 {
                    return "{ … }".into();
                }
                values.push(element.data(1).to_vec());
            }
        }
        values.sort();
        let values: Vec<String> = values.iter().map(|key| value_text(form, key)).collect();
        format!("{{ {} }}", values.join(", "))
    }

    fn put(&mut self, at: Option<u64>, value: Register) {
        if let Some(at) = at {
            self.registers.insert(at, value);
        }
    }

    fn register(&self, data: &Attributes<'_>, attribute: u16) -> Option<Register> {
        self.registers.get(&data.number(attribute)?).cloned()
    }

    /// The three expressions that put a field of the packet, or of what the
    /// kernel knows of it, into a register; or a register into the field.
    fn load_or_set(&mut self, name: &str, data: &Attributes<'_>) {
        let (target, source, (field, form, part)) = match name {
            "meta" => (
                data.number(1),
                data.number(3),
                meta(data.number(2).unwrap_or(99)),
            ),
            "ct" => (
                data.number(1),
                data.number(4),
                conntrack(data.number(2).unwrap_or(99)),
            ),
            _ => (data.number(1), data.number(5), self.payload(data)),
        };
        if let Some(Register::Value(bytes)) = source.and_then(|at| self.registers.get(&at)) {
            let value = value_text(form, bytes);
            self.say(format!("{field} set {value}"));
        }
        let mask = None;
        self.put(
            target,
            Register::Field {
                name: field,
                form,
                part,
                mask,
            },
        );
    }

    /// A field of the packet: BASE 2 (link, network or transport header), OFFSET
    /// 3 and LEN 4 in bytes. Which field that is depends on the protocol, which
    /// the rule has tested before, or which the table's family implies.
    fn payload(&mut self, data: &Attributes<'_>) -> (String, Form, Option<usize>) {
        let [base, offset, length] = [2, 3, 4].map(|kind| data.number(kind).unwrap_or_default());
        let protocol = self.network.map(|(protocol, _)| protocol);
        let network = match (self.family, protocol) {
            (IPV4, _) | (_, Some(IPV4)) => Some("ip"),
            (IPV6, _) | (_, Some(IPV6)) => Some("ip6"),
            _ => None,
        };
        let transport = self.transport.and_then(|(protocol, _)| match protocol {
            1 => Some("icmp"),
            6 => Some("tcp"),
            17 => Some("udp"),
            58 => Some("icmpv6"),
            132 => Some("sctp"),
            _ => None,
        });
        let whole = |name: &str, form| (name.to_owned(), form, None);
        let found = match (base, offset, length) {
            (0, 0, 6) => whole("ether daddr", Form::Mac),
            (0, 6, 6) => whole("ether saddr", Form::Mac),
            (0, 12, 2) => whole("ether type", Form::EtherType),
            // Fewer bytes than the field has are a prefix, and need no mask.
            (1, 12 | 16, 1..=4) if network == Some("ip") => {
                let name = if offset == 12 { "ip saddr" } else { "ip daddr" };
                let part = (length < 4).then_some(length as usize);
                (name.to_owned(), Form::Address4, part)
            }
            (1, 9, 1) if network == Some("ip") => whole("ip protocol", Form::Protocol),
            (1, 8, 1) if network == Some("ip") => whole("ip ttl", Form::Number),
            (1, 8 | 24, 1..=16) if network == Some("ip6") => {
                let name = if offset == 8 {
                    "ip6 saddr"
                } else {
                    "ip6 daddr"
                };
                let part = (length < 16).then_some(length as usize);
                (name.to_owned(), Form::Address6, part)
            }
            (1, 6, 1) if network == Some("ip6") => whole("ip6 nexthdr", Form::Protocol),
            (2, 0, 1) if matches!(transport, Some("icmp" | "icmpv6")) => (
                format!("{} type", transport.unwrap_or_default()),
                Form::IcmpType,
                None,
            ),
            (2, 13, 1) if transport == Some("tcp") => whole("tcp flags", Form::TcpFlags),
            (2, 0, 2) => (
                format!("{} sport", transport.unwrap_or("th")),
                Form::Number,
                None,
            ),
            (2, 2, 2) => (
                format!("{} dport", transport.unwrap_or("th")),
                Form::Number,
                None,
            ),
            _ => {
                let base = ["ll", "nh", "th"]
                    .get(base as usize)
                    .copied()
                    .unwrap_or("ih");
                (
                    format!("@{base},{},{}", offset * 8, length * 8),
                    Form::Number,
                    None,
                )
            }
        };
        // `tcp dport` says already that it is TCP, `ip saddr` that it is IPv4.
        let says = |word: &str| found.0.starts_with(&format!("{word} "));
        if let Some((_, at)) = self.transport
            && transport.is_some_and(says)
        {
            self.words[at] = None;
        }
        let family = match transport {
            Some("icmp") if says("icmp") => Some("icmp"),
            _ => network,
        };
        if let Some((_, at)) = self.network
            && family.is_some_and(says)
        {
            self.words[at] = None;
        }
        found
    }

    /// SREG 1, OP 2, DATA 3, against what was loaded, and masked, before.
    fn compare(&mut self, data: &Attributes<'_>) {
        let Some(Register::Field {
            name,
            form,
            part,
            mask,
        }) = self.register(data, 1)
        else {
            return self.say("cmp");
        };
        let bytes = data.data(3);
        let operator = match data.number(2) {
            Some(1) => "!= ",
            Some(2) => "< ",
            Some(3) => "<= ",
            Some(4) => "> ",
            Some(5) => ">= ",
            _ => "",
        };
        let zero = bytes.iter().all(|&byte| byte == 0);
        let words = match mask {
            // Whether one of several bits is set: `ct state established,related`.
            Some(mask) if zero && is_of_bits(form) => {
                let not = if operator.is_empty() { "! " } else { "" };
                format!("{name} {not}{}", value_text(form, &mask))
            }
            Some(mask) => match prefix_length(&mask) {
                Some(length) => format!("{name} {operator}{}/{length}", value_text(form, bytes)),
                None => {
                    let equals = if operator.is_empty() { "== " } else { operator };
                    let value = value_text(form, bytes);
                    format!("{name} & {} {equals}{value}", value_text(form, &mask))
                }
            },
            None => match part {
                Some(length) => {
                    let value = value_text(form, bytes);
                    format!("{name} {operator}{value}/{}", length * 8)
                }
                None => format!("{name} {operator}{}", value_text(form, bytes)),
            },
        };
        // Ether addresses are asked of an interface that has them.
        if name == "meta iiftype" {
            return;
        }
        // `>= a` and `<= b`, one after the other, are how a range is kept.
        if let (Some(3), Some(Some(last))) = (data.number(2), self.words.last_mut())
            && let Some(from) = last.strip_prefix(&format!("{name} >= "))
        {
            *last = format!("{name} {from}-{}", value_text(form, bytes));
            return;
        }
        let at = self.words.len();
        let byte = bytes.first().copied().unwrap_or_default();
        if operator.is_empty() {
            match (form, name.as_str()) {
                (Form::Protocol, "meta l4proto" | "ip protocol") => {
                    self.transport = Some((byte, at));
                }
                (Form::NetworkProtocol, _) => self.network = Some((byte, at)),
                (Form::EtherType, "meta protocol") if bytes == [8, 0] => {
                    self.network = Some((IPV4, at));
                }
                (Form::EtherType, "meta protocol") if bytes == [0x86, 0xdd] => {
                    self.network = Some((IPV6, at));
                }
                _ => {}
            }
        }
        self.say(words);
    }

    /// ` to 10.0.0.2:80`, from the registers that the attributes name.
    fn address_and_port(&self, data: &Attributes<'_>, address: [u16; 2], port: [u16; 2]) -> String {
        let tell = |kinds: [u16; 2], form: Form| -> Option<String> {
            let [from, to] = kinds.map(|kind| match self.register(data, kind) {
                Some(Register::Value(bytes)) => Some(value_text(form, &bytes)),
                _ => None,
            });
            match (from?, to) {
                (from, Some(to)) if to != from => Some(format!("{from}-{to}")),
                (from, _) => Some(from),
            }
        };
        let form = match data.number(2) {
            Some(10) => Form::Address6,
            _ => Form::Address4,
        };
        match (tell(address, form), tell(port, Form::Number)) {
            (Some(address), Some(port)) if form == Form::Address6 => {
                format!(" to [{address}]:{port}")
            }
            (Some(address), Some(port)) => format!(" to {address}:{port}"),
            (Some(address), None) => format!(" to {address}"),
            (None, Some(port)) => format!(" to :{port}"),
            (None, None) => String::new(),
        }
    }
}

/// `enum nft_meta_keys`: what the kernel knows of a packet besides its bytes.
fn meta(key: u64) -> (String, Form, Option<usize>) {
    let (name, form) = match key {
        0 => ("meta length", Form::Host),
        1 => ("meta protocol", Form::EtherType),
        2 => ("meta priority", Form::Host),
        3 => ("meta mark", Form::Host),
        4 => ("iif", Form::Interface),
        5 => ("oif", Form::Interface),
        6 => ("iifname", Form::Name),
        7 => ("oifname", Form::Name),
        8 => ("meta iiftype", Form::Host),
        10 => ("meta skuid", Form::Host),
        11 => ("meta skgid", Form::Host),
        15 => ("meta nfproto", Form::NetworkProtocol),
        16 => ("meta l4proto", Form::Protocol),
        17 => ("meta ibrname", Form::Name),
        18 => ("meta obrname", Form::Name),
        19 => ("meta pkttype", Form::Number),
        23 => ("meta cgroup", Form::Host),
        other => return (format!("meta {other}"), Form::Number, None),
    };
    (name.to_owned(), form, None)
}

/// `enum nft_ct_keys`: of the connection that it belongs to.
fn conntrack(key: u64) -> (String, Form, Option<usize>) {
    let (name, form) = match key {
        0 => ("ct state", Form::State),
        1 => ("ct direction", Form::Number),
        2 => ("ct status", Form::Status),
        3 => ("ct mark", Form::Host),
        10 => ("ct protocol", Form::Protocol),
        other => return (format!("ct {other}"), Form::Number, None),
    };
    (name.to_owned(), form, None)
}

// Bits of the kernel, in the words of nft(8).
const STATES: &[(u32, &str)] = &[
    (1, "invalid"),
    (2, "established"),
    (4, "related"),
    (8, "new"),
    (64, "untracked"),
];
const STATUSES: &[(u32, &str)] = &[
    (1, "expected"),
    (2, "seen-reply"),
    (4, "assured"),
    (8, "confirmed"),
    (16, "snat"),
    (32, "dnat"),
    (512, "dying"),
];
const TCP_FLAGS: &[(u32, &str)] = &[
    (1, "fin"),
    (2, "syn"),
    (4, "rst"),
    (8, "psh"),
    (16, "ack"),
    (32, "urg"),
    (64, "ecn"),
    (128, "cwr"),
];

fn is_of_bits(form: Form) -> bool {
    matches!(form, Form::State | Form::Status | Form::TcpFlags)
}

fn bits(number: u32, names: &[(u32, &str)]) -> String {
    let set: Vec<&str> = names
        .iter()
        .filter(|(bit, _)| number & bit != 0)
        .map(|(_, name)| *name)
        .collect();
    match set.is_empty() {
        true => format!("{number:#x}"),
        false => set.join(","),
    }
}

/// A value as nft(8) writes it for that kind of field.
fn value_text(form: Form, bytes: &[u8]) -> String {
    let padded = |length: usize| {
        let mut all = bytes.to_vec();
        all.resize(length, 0);
        all
    };
    match form {
        Form::Address4 => {
            let octets: [u8; 4] = padded(4).try_into().unwrap_or_default();
            Ipv4Addr::from(octets).to_string()
        }
        Form::Address6 => {
            let octets: [u8; 16] = padded(16).try_into().unwrap_or_default();
            Ipv6Addr::from(octets).to_string()
        }
        Form::Mac => {
            let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            pairs.join(":")
        }
        // Compared without the NUL at its end it is the beginning of a name.
        Form::Name if bytes.contains(&0) || bytes.len() >= 16 => format!("\"{}\"", c_text(bytes)),
        Form::Name => format!("\"{}*\"", c_text(bytes)),
        Form::Number => number_be(bytes).to_string(),
        Form::Host => format!("{:#x}", number_ne(bytes)),
        Form::Interface => interface_name(number_ne(bytes)),
        Form::Protocol => match bytes.first() {
            Some(1) => "icmp".into(),
            Some(6) => "tcp".into(),
            Some(17) => "udp".into(),
            Some(58) => "ipv6-icmp".into(),
            Some(132) => "sctp".into(),
            _ => number_be(bytes).to_string(),
        },
        Form::NetworkProtocol => match bytes.first() {
            Some(&IPV4) => "ipv4".into(),
            Some(&IPV6) => "ipv6".into(),
            _ => number_be(bytes).to_string(),
        },
        Form::EtherType => match bytes {
            [8, 0] => "ip".into(),
            [8, 6] => "arp".into(),
            [0x86, 0xdd] => "ip6".into(),
            _ => format!("{:#06x}", number_be(bytes)),
        },
        Form::IcmpType => match bytes.first() {
            Some(0) => "echo-reply".into(),
            Some(3) => "destination-unreachable".into(),
            Some(8) => "echo-request".into(),
            Some(11) => "time-exceeded".into(),
            _ => number_be(bytes).to_string(),
        },
        Form::State => bits(number_ne(bytes), STATES),
        Form::Status => bits(number_ne(bytes), STATUSES),
        Form::TcpFlags => bits(
            u32::from(bytes.first().copied().unwrap_or_default()),
            TCP_FLAGS,
        ),
    }
}

/// The index is the kernel's, and another each time.
fn interface_name(index: u32) -> String {
    nix::net::if_::if_indextoname(index).map_or_else(
        |_| "\"gone\"".into(),
        |name| format!("\"{}\"", visible(name.to_string_lossy().into_owned())),
    )
}

/// How many bits a mask has, when they are its first ones.
fn prefix_length(mask: &[u8]) -> Option<u32> {
    let length: u32 = mask.iter().map(|byte| byte.leading_ones()).sum();
    let ones: u32 = mask.iter().map(|byte| byte.count_ones()).sum();
    let whole = (length / 8) as usize;
    let is_prefix = length == ones && mask.iter().take(whole).all(|&byte| byte == 255);
    (is_prefix && length > 0).then_some(length)
}

/// NFTA_VERDICT_CODE 1: 0 and above netfilter's, below it those of nf_tables;
/// CHAIN 2, where to.
fn verdict(attributes: &Attributes<'_>) -> String {
    let code = attributes.number(1).unwrap_or_default() as u32 as i32;
    let chain = attributes.text(2);
    match code {
        0 => "drop".into(),
        1 => "accept".into(),
        -1 => "continue".into(),
        -3 => format!("jump {chain}"),
        -4 => format!("goto {chain}"),
        -5 => "return".into(),
        other => format!("verdict {other}"),
    }
}

/// iptables-nft(8) keeps some matches and targets as the old blobs. The two
/// that every NAT has are read, others told by their name.
fn extension(name: &str, info: &[u8]) -> String {
    match name {
        "MASQUERADE" => "masquerade".into(),
        "DNAT" | "SNAT" => {
            // struct nf_nat_range: flags, two addresses of 16 bytes, two ports.
            let port = info.get(36..38).map_or(0, number_be);
            let flags = number_ne(info.get(..4).unwrap_or_default());
            let address = value_text(Form::Address4, info.get(4..8).unwrap_or_default());
            let to = match (flags & 1 != 0, flags & 2 != 0) {
                (true, true) => format!("{address}:{port}"),
                (true, false) => address,
                _ => format!(":{port}"),
            };
            format!("{} to {to}", name.to_lowercase())
        }
        other => format!("xt {other}"),
    }
}
