//! Networks: namespaces with names, and what connects them.
//!
//! ```text
//! names    /run/netns: a network namespace that has a name instead of a process
//! enter    become part of one: /sys and /etc/netns as ip-netns(8) has them
//! netlink  the socket on which the kernel takes orders for the network
//! device   veth pairs, bridges, addresses, routes; a move to another namespace
//! ```
//!
//! Read: ip-netns(8), network_namespaces(7), netlink(7), rtnetlink(7), veth(4)

mod device;
mod enter;
mod names;
mod netlink;

pub use device::{
    Address, Pair, add_address, add_bridge, add_pair, add_route, add_veth, delete_device, index_of,
    link_layer, move_device, rename, routed_networks, set_hairpin, set_link_layer, set_master,
    set_up,
};
pub use enter::{enter, inside, mount_sys, setns_net};
pub use names::{DIRECTORY, add, delete, list, named, names_of, open_name, share_directory};
pub use netlink::Netlink;
