//! `digest`: one number by which our list of members can be compared with the agent's.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::Member;

/// As heartbeats have it: the sum, modulo 2⁶⁴, of the first eight bytes of each member's SHA-256,
/// in 16 hexadecimal digits.
pub(super) fn digest<'a>(members: impl Iterator<Item = &'a Member>) -> String {
    let sum = members.fold(0_u64, |sum, member| sum.wrapping_add(share(member)));
    format!("{sum:016x}")
}

/// What is hashed of a member are its fields, joined by line feeds.
fn share(member: &Member) -> u64 {
    let mut text = format!(
        "{}\n{}\n{}\n{}\n{}\n{}\n{}",
        member.name,
        member.address,
        member.state,
        member.generation,
        member.incarnation,
        humantime::format_rfc3339_millis(member.since),
        member.app.as_ref().map_or("", |app| app.as_str()),
    );
    for (key, value) in &member.tags {
        write!(text, "\n{key}={value}").expect("a string takes whatever is written");
    }
    let hash = Sha256::digest(text);
    let (head, _) = hash.split_first_chunk().expect("32 bytes");
    u64::from_be_bytes(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_any_language_computes() {
        // hashlib.sha256(b"a\n127.0.0.1:1\nalive\n1\n0\n2026-01-05T10:00:00.250Z\nup\nk=v\nz=")
        let a = r#"{"name":"a","id":"1f","address":"127.0.0.1:1","state":"alive","generation":1,
            "incarnation":0,"tags":{"z":"","k":"v"},"since":"2026-01-05T10:00:00.250Z",
            "app":"up"}"#;
        let b = a.replace("\"a\"", "\"b\"").replace("\"up\"", "\"down\"");
        let [a, b]: [Member; 2] = [a, &b].map(|text| serde_json::from_str(text).unwrap());
        assert_eq!(digest([].into_iter()), "0000000000000000");
        assert_eq!(digest([&a].into_iter()), "f7514da188b913bd");
        assert_eq!(digest([&a, &b].into_iter()), "b6a8e26784d45508");
        assert_eq!(digest([&b, &a].into_iter()), "b6a8e26784d45508");
    }
}
