//! Three versions, one a line: their order is a total one, and equal ones stand in the same place
//! beside any other.

#![no_main]

use std::cmp::Ordering;

use libfuzzer_sys::fuzz_target;
use model::version::compare;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split('\n');
    let three: [&str; 3] = std::array::from_fn(|_| lines.next().unwrap_or_default());
    for a in three {
        assert_eq!(compare(a, a), Ordering::Equal);
        for b in three {
            assert_eq!(compare(a, b), compare(b, a).reverse(), "{a:?} {b:?}");
            for c in three {
                if compare(a, b).is_le() && compare(b, c).is_le() {
                    let strict = compare(a, b).is_lt() || compare(b, c).is_lt();
                    let wanted = if strict { Ordering::Less } else { Ordering::Equal };
                    assert_eq!(compare(a, c), wanted, "{a:?} {b:?} {c:?}");
                }
            }
        }
    }
});
