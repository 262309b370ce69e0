//! Which shard owns a key. Pure and stable: the same key and shard count give the same owner in every process,
//! build and restart, so the hash is written out here and pinned by a table in the tests.
//! It spreads keys; it is no defence against keys chosen to collide (a collision only makes one shard busier).

use crate::ShardId;

/// The shard that holds everything about `key`, of `shards` in all.
///
/// # Panics
/// When `shards` is zero: a process without shards has no owner for anything.
#[must_use]
pub fn owner_of(key: &[u8], shards: u16) -> ShardId {
    assert!(shards > 0, "routing needs at least one shard");
    let product = u128::from(hash(key)) * u128::from(shards);
    let index = u16::try_from(product >> 64).expect("the product's high half is below `shards`");
    ShardId::new(index)
}

/// FNV-1a over the bytes, then the murmur3 finaliser: FNV alone leaves the high bits, which choose the shard,
/// nearly unchanged by the last bytes.
fn hash(key: &[u8]) -> u64 {
    const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;
    let fnv = key.iter().fold(FNV_OFFSET, |h, &byte| (h ^ u64::from(byte)).wrapping_mul(FNV_PRIME));
    let mut h = fnv;
    h = (h ^ (h >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    h = (h ^ (h >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    h ^ (h >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_do_not_move_between_builds() {
        // Computed by a second implementation, in another language.
        let table: [(&str, [usize; 4]); 5] = [
            ("", [0, 1, 6, 59]),
            ("a", [0, 1, 3, 32]),
            ("아델", [0, 0, 0, 0]),
            ("e1f2d3c4b5a697887766554433221100", [0, 1, 5, 52]),
            ("e1f2d3c4b5a697887766554433221101", [0, 1, 5, 54]),
        ];
        for (key, owners) in table {
            let got = [1, 2, 7, 64].map(|shards| owner_of(key.as_bytes(), shards).index());
            assert_eq!(got, owners, "key {key:?}");
        }
    }

    #[test]
    fn keys_differing_in_one_byte_spread_evenly() {
        for shards in [2_u16, 3, 8] {
            let mut held = vec![0_u32; usize::from(shards)];
            let keys = 24_000;
            for n in 0..keys {
                held[owner_of(format!("character-{n}").as_bytes(), shards).index()] += 1;
            }
            let fair = keys / u32::from(shards);
            for (shard, &n) in held.iter().enumerate() {
                let off = n.abs_diff(fair);
                assert!(off < fair / 10, "shard {shard} of {shards} holds {n}, fair is {fair}");
            }
        }
    }
}
