//! The capabilities of a file, out of its extended attribute
//! `security.capability`. See "File capabilities" in capabilities(7).

use std::collections::BTreeMap;
use std::os::fd::AsRawFd;

use super::proc::ProcDir;
use super::status::capability_name;

/// Those of the file that the process executes; `None` when it has none.
pub fn of_executable(process: &ProcDir) -> Option<String> {
    // Along the descriptor, so that it is this process and no later one with
    // its number. The link leads to the file itself, whatever lies at its path.
    let path = format!("/proc/self/fd/{}/exe\0", process.as_fd().as_raw_fd());
    let mut value = [0_u8; 64];
    // SAFETY: both names end with a NUL byte, and the buffer has the size told.
    let size = unsafe {
        libc::getxattr(
            path.as_ptr().cast(),
            c"security.capability".as_ptr(),
            value.as_mut_ptr().cast(),
            value.len(),
        )
    };
    told(value.get(..usize::try_from(size).ok()?)?)
}

/// struct vfs_cap_data, version 2 or 3, as getcap(8) writes it. Version 3 ends
/// with the user id whose namespace it counts in, which is left out.
fn told(value: &[u8]) -> Option<String> {
    let word = |index: usize| {
        let bytes = value.get(index * 4..index * 4 + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    let magic = word(0)?;
    if ![2, 3].contains(&(magic >> 24)) {
        return None;
    }
    let wide = |low, high| Some(u64::from(word(low)?) | u64::from(word(high)?) << 32);
    let (permitted, inheritable) = (wide(1, 3)?, wide(2, 4)?);
    let effective = magic & 1 != 0;

    let mut groups: BTreeMap<(bool, bool), Vec<String>> = BTreeMap::new();
    for number in 0..64 {
        let is_in = |set: u64| set >> number & 1 == 1;
        let flags = (is_in(permitted), is_in(inheritable));
        if flags != (false, false) {
            let name = format!("cap_{}", capability_name(number));
            groups.entry(flags).or_default().push(name);
        }
    }
    let texts = groups
        .iter()
        .rev()
        .map(|((permitted, inheritable), names)| {
            let flag = |set: bool, letter| if set { letter } else { "" };
            let names = names.join(",");
            let (e, i) = (flag(effective, "e"), flag(*inheritable, "i"));
            format!("{names}={e}{i}{}", flag(*permitted, "p"))
        });
    Some(texts.collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::told;

    fn value(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn versions_2_and_3_are_told_alike() {
        let version_2 = value(&[0x0200_0001, 1 << 13, 0, 0, 0]);
        assert_eq!(told(&version_2).as_deref(), Some("cap_net_raw=ep"));
        let version_3 = value(&[0x0300_0001, 1 << 13, 0, 0, 0, 1000]);
        assert_eq!(told(&version_3), told(&version_2));
    }

    #[test]
    fn each_letter_is_a_set() {
        let both = value(&[0x0200_0000, 1 << 10, 1 << 10 | 1 << 13, 0, 1 << 7]);
        assert_eq!(
            told(&both).as_deref(),
            Some("cap_net_bind_service=ip cap_net_raw,cap_bpf=i")
        );
    }

    #[test]
    fn what_is_no_such_attribute_is_nothing() {
        assert_eq!(told(b""), None);
        assert_eq!(told(&value(&[0x0100_0001, 1, 1])), None);
        assert_eq!(told(&value(&[0x0200_0001, 1, 1])), None);
    }
}
