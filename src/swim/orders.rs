//! `Orders`: what operators told the cluster about its keys, the same everywhere in the end.
//!
//! Each order has a number, one more than all that its author knew, and is about one key, or about
//! which key seals. Of two orders about one key the greater number holds, and of equals the one
//! that takes away: so that everybody who heard the same orders, in whatever sequence, holds the
//! same. What they come to is applied to the keys that a node has; keys that no order is about stay
//! as they are, so that files can also be changed by hand. What was changed by hand is ordered with
//! whatever is ordered next: the keys of its author take the place of earlier orders.

use std::{collections::BTreeMap, hash::Hasher, sync::Arc};

use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher24;
use zeroize::Zeroizing;

use super::{KEY_BYTES, Key, KeyId, Keys};

/// Keys of which orders are kept. The oldest are forgotten.
const ORDERED_MAX: usize = 24;
/// A number that leaps further is damaged or forged: believed, it would leave nobody one to use.
const LEAP_MAX: u32 = 1 << 20;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Orders {
    keys: BTreeMap<KeyId, (u32, Order)>,
    /// Which key seals, by which order.
    primary: Option<(u32, KeyId)>,
}

/// What was ordered of a key.
#[derive(Clone, Debug)]
enum Order {
    /// Nothing, but whoever ordered something of others had it.
    Nothing,
    Accept(Arc<Key>),
    Remove,
}

/// How far somebody is with orders: tells different ones apart, and nearly always the later ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Mark {
    /// The greatest number of an order.
    pub(super) number: u32,
    digest: u32,
}

impl Orders {
    /// Everybody shall accept `key`. `held` are the keys of whoever orders it.
    pub(super) fn add(&mut self, held: &Keys, key: Arc<Key>) {
        let number = self.note(held);
        self.keys.insert(key.id(), (number, Order::Accept(key)));
        self.prune();
    }

    /// Everybody shall seal with this one of the `held` keys, and accept it.
    pub(super) fn promote(&mut self, held: &Keys, id: KeyId) {
        if let Some(key) = held.find(id) {
            self.add(held, key.clone());
            self.primary = Some((self.number(), id));
        }
    }

    /// Nobody shall have this key any more.
    pub(super) fn remove(&mut self, held: &Keys, id: KeyId) {
        let number = self.note(held);
        self.keys.insert(id, (number, Order::Remove));
        self.prune();
    }

    /// Mentions all of `held`; gives the next order's number.
    ///
    /// What earlier orders say otherwise was changed by hand since. Orders stay for ever, and what
    /// was done by hand is not known to who starts later: a leaked key would come back with it.
    fn note(&mut self, held: &Keys) -> u32 {
        let number = self.number().saturating_add(1);
        for (id, entry) in &mut self.keys {
            if matches!(entry.1, Order::Accept(_)) && held.find(*id).is_none() {
                *entry = (number, Order::Remove);
            }
        }
        for id in held.ids() {
            self.keys.entry(id).or_insert((0, Order::Nothing));
        }
        if let (Some((_, ordered)), Some(ours)) = (self.primary, held.primary())
            && ordered != ours.id()
        {
            self.primary = Some((number, ours.id()));
        }
        number
    }

    /// Takes in what somebody else knows; whether any of it was news.
    pub(super) fn merge(&mut self, theirs: &Self) -> bool {
        let before = self.mark();
        if theirs.number() > before.number.saturating_add(LEAP_MAX) {
            return false;
        }
        for (id, (number, order)) in &theirs.keys {
            let rank = (*number, order.rank());
            let held = self.keys.get(id);
            if held.is_none_or(|(number, order)| (*number, order.rank()) < rank) {
                self.keys.insert(*id, (*number, order.clone()));
            }
        }
        self.primary = self.primary.max(theirs.primary);
        self.prune();
        self.mark() != before
    }

    fn prune(&mut self) {
        while self.keys.len() > ORDERED_MAX {
            let oldest = self
                .keys
                .iter()
                .min_by_key(|(id, (number, _))| (*number, **id));
            let Some(id) = oldest.map(|(id, _)| *id) else {
                return;
            };
            self.keys.remove(&id);
        }
    }

    /// What becomes of `held` by all orders after that number.
    pub(super) fn apply(&self, after: u32, held: &Keys) -> Keys {
        let orders = || self.keys.iter().filter(|(_, (number, _))| *number > after);
        let mut keys = held.clone();
        for (_, (_, order)) in orders() {
            if let Order::Accept(key) = order {
                keys = keys.with(key);
            }
        }
        if let Some(id) = self.leader(after, &keys) {
            keys = keys.led_by(id);
        }
        for (id, (_, order)) in orders() {
            if let Order::Remove = order {
                keys = keys.without(*id);
            }
        }
        keys.within_limit()
    }

    /// Which of `keys` seals by an order after that number. One that somebody else ordered to be
    /// removed meanwhile may be gone already where it would have to be read: then it is the one
    /// that was ordered last of those that are left.
    fn leader(&self, after: u32, keys: &Keys) -> Option<KeyId> {
        let (_, ordered) = self.primary.filter(|(number, _)| *number > after)?;
        let is_left = |id: KeyId| {
            let order = self.keys.get(&id).map(|(_, order)| order);
            !matches!(order, Some(Order::Remove))
        };
        if is_left(ordered) {
            return Some(ordered);
        }
        let left = self.keys.iter();
        let left = left.filter(|(id, _)| is_left(**id) && keys.find(**id).is_some());
        let last = left.max_by_key(|(id, (number, _))| (*number, **id));
        last.map(|(id, _)| *id)
    }

    /// Whether whoever ordered something had this key, or ordered something of it.
    pub(super) fn mention(&self, id: KeyId) -> bool {
        self.keys.contains_key(&id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The greatest number.
    pub(super) fn number(&self) -> u32 {
        let numbers = self.keys.values().map(|(number, _)| *number);
        let primary = self.primary.map(|(number, _)| number);
        numbers.chain(primary).max().unwrap_or(0)
    }

    pub(super) fn mark(&self) -> Mark {
        let mut hasher = SipHasher24::new();
        for (id, (number, order)) in &self.keys {
            hasher.write_u32(id.to_bits());
            hasher.write_u32(*number);
            hasher.write_u8(order.rank());
        }
        if let Some((number, id)) = self.primary {
            hasher.write_u32(number);
            hasher.write_u32(id.to_bits());
        }
        let [a, b, c, d, ..] = hasher.finish().to_le_bytes();
        Mark {
            number: self.number(),
            digest: u32::from_le_bytes([a, b, c, d]),
        }
    }
}

impl Order {
    const fn rank(&self) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::Accept(_) => 1,
            Self::Remove => 2,
        }
    }
}

/// Keys are what they are called: see [`Keys`].
impl PartialEq for Order {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Order {}

/// Orders as they travel. Keys are borrowed from where they are kept, and to where they arrive.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WireOrders<'a> {
    #[serde(borrow)]
    keys: Vec<(u32, WireOrder<'a>)>,
    primary: Option<(u32, KeyId)>,
    /// Of the receiver: a later process of it must not believe what was said to this one.
    pub(super) generation: u32,
    /// The sender wants to know what the receiver knows, if that is something else.
    pub(super) asks: bool,
}

#[derive(PartialEq, Eq, Serialize, Deserialize)]
enum WireOrder<'a> {
    Nothing(KeyId),
    Accept(&'a [u8]),
    Remove(KeyId),
}

/// The longest orders, which all are padded to.
pub(super) const ORDERS_BYTES: usize = 1_100;

impl WireOrders<'_> {
    /// For a receiver in this generation.
    pub(super) fn new(orders: &Orders, generation: u32, asks: bool) -> WireOrders<'_> {
        let keys = orders.keys.iter().map(|(id, (number, order))| {
            let order = match order {
                Order::Nothing => WireOrder::Nothing(*id),
                Order::Accept(key) => WireOrder::Accept(key.secret()),
                Order::Remove => WireOrder::Remove(*id),
            };
            (*number, order)
        });
        WireOrders {
            keys: keys.collect(),
            primary: orders.primary,
            generation,
            asks,
        }
    }

    /// The orders, unless a key in them is none, or there are too many.
    pub(super) fn read(&self) -> Option<Orders> {
        let mut keys = BTreeMap::new();
        for (number, order) in &self.keys {
            let (id, order) = order.read()?;
            keys.insert(id, (*number, order));
        }
        let primary = self.primary;
        (keys.len() <= ORDERED_MAX).then_some(Orders { keys, primary })
    }
}

impl WireOrder<'_> {
    fn read(&self) -> Option<(KeyId, Order)> {
        Some(match self {
            Self::Nothing(id) => (*id, Order::Nothing),
            Self::Remove(id) => (*id, Order::Remove),
            Self::Accept(secret) => {
                let mut bytes = Zeroizing::new([0; KEY_BYTES]);
                let fits = secret.len() == KEY_BYTES;
                fits.then(|| bytes.copy_from_slice(secret))?;
                let key = Arc::new(Key::new(&bytes));
                (key.id(), Order::Accept(key))
            }
        })
    }
}

/// Shows no key.
impl std::fmt::Debug for WireOrder<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nothing(id) => write!(formatter, "Nothing({id})"),
            Self::Accept(_) => formatter.write_str("Accept(..)"),
            Self::Remove(id) => write!(formatter, "Remove({id})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swim::Life;

    fn key(byte: u8) -> Key {
        Key::new(&Zeroizing::new([byte; KEY_BYTES]))
    }

    fn keys(bytes: &[u8]) -> Keys {
        Keys::new(bytes.iter().map(|byte| Arc::new(key(*byte))).collect()).unwrap()
    }

    fn id(byte: u8) -> KeyId {
        key(byte).id()
    }

    /// A whole replacement of key 1 by key 2.
    fn replacement() -> Orders {
        let mut orders = Orders::default();
        orders.add(&keys(&[1]), Arc::new(key(2)));
        orders.promote(&keys(&[1, 2]), id(2));
        orders.remove(&keys(&[2, 1]), id(1));
        orders
    }

    #[test]
    fn a_replacement_is_the_same_whatever_was_there_and_however_often_it_is_applied() {
        let orders = replacement();
        for held in [&[1][..], &[1, 2], &[2, 1], &[2]] {
            let applied = orders.apply(0, &keys(held));
            assert_eq!(applied, keys(&[2]), "{held:?}");
            assert_eq!(orders.apply(0, &applied), applied);
        }
        assert_eq!(
            orders.apply(0, &keys(&[1, 3])),
            keys(&[2, 3]),
            "3 is nobody's business"
        );
        assert_eq!(orders.apply(3, &keys(&[1])), keys(&[1]), "by hand since");
        assert!(orders.mention(id(1)) && !orders.mention(id(3)));
    }

    #[test]
    fn what_seals_is_never_taken_away() {
        let mut orders = Orders::default();
        orders.remove(&keys(&[1]), id(1));
        assert_eq!(orders.apply(0, &keys(&[1])), keys(&[1]));
        assert_eq!(orders.apply(0, &keys(&[2, 1])), keys(&[2]));
    }

    #[test]
    fn what_was_changed_by_hand_is_ordered_with_the_next_order() {
        let mut orders = replacement();
        orders.add(&keys(&[5]), Arc::new(key(7)));
        assert_eq!(orders.apply(0, &keys(&[5, 7])), keys(&[5, 7]));
        assert_eq!(orders.apply(0, &keys(&[2, 5])), keys(&[5, 7]));
        // It still has key 2, which it no longer seals with.
        let mut orders = replacement();
        orders.add(&keys(&[5, 2]), Arc::new(key(7)));
        assert_eq!(orders.apply(0, &keys(&[5, 2])), keys(&[5, 2, 7]));
    }

    #[test]
    fn a_key_that_is_used_and_removed_at_one_moment_is_removed_everywhere() {
        let mut before = Orders::default();
        before.add(&keys(&[1]), Arc::new(key(2)));
        before.promote(&keys(&[1, 2]), id(2));
        let (mut used, mut removed) = (before.clone(), before);
        used.promote(&keys(&[2, 1]), id(1));
        removed.remove(&keys(&[2, 1]), id(1));
        let held = [&used, &removed].map(|orders| orders.apply(0, &keys(&[2, 1])));
        assert_eq!(held, [keys(&[1, 2]), keys(&[2])]);
        used.merge(&removed);
        removed.merge(&used);
        for (orders, held) in [used, removed].iter().zip(&held) {
            assert_eq!(orders.apply(0, held), keys(&[2]), "{held:?}");
        }
    }

    #[test]
    fn a_key_that_goes_makes_room_for_one_that_comes() {
        let full: Vec<u8> = (1..=16).collect();
        let mut orders = Orders::default();
        orders.remove(&keys(&full), id(16));
        orders.add(&keys(&full[..15]), Arc::new(key(17)));
        let expected = [&full[..15], &[17]].concat();
        assert_eq!(orders.apply(0, &keys(&full)), keys(&expected));
    }

    #[test]
    fn whoever_heard_the_same_orders_holds_the_same() {
        let mut one = Orders::default();
        one.add(&keys(&[1]), Arc::new(key(2)));
        let mut other = Orders::default();
        other.add(&keys(&[1]), Arc::new(key(3)));
        assert_ne!(one.mark(), other.mark());
        let (mut both, mut again) = (one.clone(), other.clone());
        assert!(both.merge(&other) && again.merge(&one));
        assert_eq!((&both, both.mark()), (&again, again.mark()));
        assert!(!both.merge(&one) && !both.merge(&other) && !both.merge(&again));
        assert_eq!(both.apply(0, &keys(&[1])).ids().count(), 3);
        // A key that was removed is back when somebody adds it later.
        let mut back = replacement();
        back.add(&keys(&[2]), Arc::new(key(1)));
        assert_eq!(back.apply(0, &keys(&[2])), keys(&[2, 1]));
        assert!(!back.merge(&replacement()));
    }

    #[test]
    fn what_travels_is_what_was_ordered_and_fits_a_packet() {
        let mut orders = replacement();
        for byte in 3..40 {
            let held: Keys = (2..byte).map(|byte| Arc::new(key(byte))).collect();
            orders.add(&held, Arc::new(key(byte)));
        }
        assert_eq!(orders.keys.len(), ORDERED_MAX);
        let bytes =
            postcard::to_stdvec(&WireOrders::new(&orders, Life::GENERATION_MAX, true)).unwrap();
        assert!(bytes.len() <= ORDERS_BYTES, "{}", bytes.len());
        let wire: WireOrders<'_> = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(wire.read(), Some(orders));
        assert!(!format!("{wire:?}").contains("3, 3"), "{wire:?}");
    }

    #[test]
    fn what_cannot_be_an_order_is_refused() {
        let accept = |secret| WireOrders {
            keys: vec![(1, WireOrder::Accept(secret))],
            primary: None,
            generation: 1,
            asks: false,
        };
        assert!(accept(&[7; KEY_BYTES]).read().is_some());
        assert_eq!(accept(&[7; KEY_BYTES - 1]).read(), None);
        let mut leap = Orders::default();
        leap.keys.insert(id(1), (u32::MAX, Order::Remove));
        let mut orders = replacement();
        assert!(!orders.merge(&leap));
        assert_eq!(orders, replacement());
    }
}
