//! `Tags`: what operators attach to members.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{InvalidCard, member::is_word};

/// All tags of one member together, in bytes as [`Tags::size`] counts them.
pub const TAG_BYTES_MAX: usize = 16 * 1024;
/// Tags that one member may have.
pub const TAGS_MAX: usize = 256;
/// Signs that no tag's key holds: texts have them between keys and values.
pub const TAG_SEPARATORS: [char; 2] = ['=', ':'];
/// So many bytes of tags travel in packets; larger ones are fetched over streams by whoever hears
/// of them.
pub(super) const PACKET_TAG_BYTES_MAX: usize = 512;

/// Key and value pairs that an operator attached to a member. Cheap to clone.
///
/// Others' tags are kept for as long as they are members, so they take no more memory than their
/// bytes and 8 more for each pair.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tags(Arc<Pairs>);

/// All keys and values, one after the other, by key.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
struct Pairs {
    text: Box<str>,
    /// Where each key ends, and its value.
    ends: Box<[[u32; 2]]>,
}

impl Tags {
    /// Bytes of all keys and values together, and two more for each pair.
    pub fn size(&self) -> usize {
        self.0.text.len() + 2 * self.len()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.ends.len()
    }

    /// Whether there is no tag.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of `key`.
    pub fn value(&self, key: &str) -> Option<&str> {
        let mut pairs = self.iter();
        pairs
            .find(|(other, _)| *other == key)
            .map(|(_, value)| value)
    }

    /// All keys with their values, ordered by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut start = 0;
        self.0.ends.iter().map(move |ends| {
            let [key_end, value_end] = ends.map(|end| end as usize);
            let begin = std::mem::replace(&mut start, value_end);
            let text = &self.0.text;
            (&text[begin..key_end], &text[key_end..value_end])
        })
    }
}

impl FromIterator<(String, String)> for Tags {
    /// Of several values of one key the last one counts.
    ///
    /// # Panics
    /// When they take 4 GiB.
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        let sorted: BTreeMap<_, _> = pairs.into_iter().collect();
        let mut text = String::new();
        let ends = sorted.iter().map(|(key, value)| {
            [key, value].map(|part| {
                text.push_str(part);
                u32::try_from(text.len()).expect("less than 4 GiB of tags")
            })
        });
        let ends = ends.collect();
        let text = text.into();
        Self(Arc::new(Pairs { text, ends }))
    }
}

impl Serialize for Tags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pairs = BTreeMap::<String, String>::deserialize(deserializer)?;
        Ok(pairs.into_iter().collect())
    }
}

/// Checks a member's tags: printable keys without `=` or `:`, 256 of them, 16 KiB in all.
///
/// # Errors
/// [`InvalidCard::TagKey`], [`InvalidCard::TagValue`], [`InvalidCard::TooManyTags`] or
/// [`InvalidCard::TagsTooLarge`].
pub fn check_tags(tags: &Tags) -> Result<(), InvalidCard> {
    for (key, value) in tags.iter() {
        if !is_word(key, TAG_BYTES_MAX) || key.contains(TAG_SEPARATORS) {
            return Err(InvalidCard::TagKey(key.into()));
        }
        if value.chars().any(char::is_control) {
            return Err(InvalidCard::TagValue(key.into()));
        }
    }
    match (tags.len(), tags.size()) {
        (count, _) if count > TAGS_MAX => Err(InvalidCard::TooManyTags(count)),
        (_, size) if size > TAG_BYTES_MAX => Err(InvalidCard::TagsTooLarge(size)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn some(pairs: &[(&str, &str)]) -> Tags {
        let pairs = pairs.iter();
        pairs
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .collect()
    }

    #[test]
    fn tags_that_cannot_be_used_are_refused_by_key_or_number() {
        let refused = |tags: &Tags| check_tags(tags).unwrap_err();
        let key = "a b".to_owned();
        assert_eq!(refused(&some(&[("a b", "1")])), InvalidCard::TagKey(key));
        let key = "a".to_owned();
        assert_eq!(refused(&some(&[("a", "\n")])), InvalidCard::TagValue(key));
        let many = |count: usize| (0..count).map(|n| (n.to_string(), String::new())).collect();
        assert_eq!(check_tags(&many(TAGS_MAX)), Ok(()));
        assert_eq!(refused(&many(TAGS_MAX + 1)), InvalidCard::TooManyTags(257));
        let large = |bytes: usize| some(&[("k", &"x".repeat(bytes - 3))]);
        assert_eq!(check_tags(&large(TAG_BYTES_MAX)), Ok(()));
        let size = TAG_BYTES_MAX + 1;
        assert_eq!(refused(&large(size)), InvalidCard::TagsTooLarge(size));
    }

    proptest! {
        #[test]
        fn tags_are_the_map_that_they_were_made_of(map: BTreeMap<String, String>) {
            let tags: Tags = map.clone().into_iter().collect();
            let pairs: Vec<_> = map.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            prop_assert_eq!(tags.iter().collect::<Vec<_>>(), pairs);
            let size: usize = map.iter().map(|(k, v)| k.len() + v.len() + 2).sum();
            prop_assert_eq!(tags.size(), size);
            for (key, value) in &map {
                prop_assert_eq!(tags.value(key), Some(value.as_str()));
            }
            let json = serde_json::to_string(&tags).unwrap();
            prop_assert_eq!(&json, &serde_json::to_string(&map).unwrap());
            prop_assert_eq!(serde_json::from_str::<Tags>(&json).unwrap(), tags);
        }
    }
}
