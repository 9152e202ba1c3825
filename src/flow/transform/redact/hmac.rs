//! HMAC-SHA-256 (RFC 2104), by which a name becomes another that nobody without the key can work out.

use crate::model::Digest;
use sha2::{Digest as _, Sha256};

/// Bytes that SHA-256 takes at once.
const BLOCK_BYTES: usize = 64;

/// The keyed hash of a text.
pub(super) fn hmac(key: &[u8], text: &[u8]) -> Digest {
    let mut block = [0; BLOCK_BYTES];
    if key.len() > BLOCK_BYTES {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let padded = |pad: u8| block.map(|byte| byte ^ pad);
    let inner = Sha256::new_with_prefix(padded(0x36))
        .chain_update(text)
        .finalize();
    let outer = Sha256::new_with_prefix(padded(0x5c)).chain_update(inner);
    Digest(outer.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cases 1, 2 and 6 of RFC 4231.
    #[test]
    fn it_is_that_of_the_standard() {
        let cases: [(&[u8], &[u8], &str); 3] = [
            (
                &[0x0b; 20],
                b"Hi There",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ];
        for (key, text, expected) in cases {
            assert_eq!(hmac(key, text).to_string(), expected);
        }
    }
}
