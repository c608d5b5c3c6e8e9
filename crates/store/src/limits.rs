use crate::StoreError;

/// `Ok` unless `got` is beyond `max`.
pub(crate) fn check(what: &'static str, got: usize, max: usize) -> Result<(), StoreError> {
    if got > max {
        return Err(StoreError::TooLarge { what, got: got as u64, max: max as u64 });
    }
    Ok(())
}
