#![no_main]

use floe_protocol::{Certificate, certificate::bitmap};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (members, bytes) = input;
    let members = usize::from(members);
    if let Ok(certificate) = Certificate::from_bcs(bytes) {
        assert_eq!(certificate.to_bcs(), bytes);
        let json = serde_json::to_vec(&certificate).expect("numbers and text");
        assert_eq!(serde_json::from_slice::<Certificate>(&json).expect("just written"), certificate);
        let _ = certificate.signer_bitmap(members);
    }
    if let Ok(signers) = bitmap::from_bitmap(bytes, members) {
        let full = bitmap::to_bitmap(&signers, members).expect("distinct members");
        assert!(full.starts_with(bytes));
    }
});
