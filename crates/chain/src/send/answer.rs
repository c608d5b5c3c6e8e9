//! What an endpoint means when it refuses a transaction. There is no standard for it but the words of the common
//! implementations.

/// Kinds of refusal that are handled differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It has this very transaction.
    Known,
    /// Another transaction has this nonce, in a block or waiting.
    NonceTaken,
    /// An earlier nonce is missing.
    NonceTooHigh,
    /// It pays less than the chain asks for now.
    FeeTooLow,
    /// The account cannot pay for gas and value.
    InsufficientFunds,
    /// Anything else.
    Other,
}

/// Reads the words.
pub(super) fn of(message: &str) -> Answer {
    const WORDS: &[(&str, Answer)] = &[
        ("already known", Answer::Known),
        ("already imported", Answer::Known),
        ("alreadyknown", Answer::Known),
        ("known transaction", Answer::Known),
        ("replacement transaction underpriced", Answer::NonceTaken),
        ("replacement fee too low", Answer::NonceTaken),
        ("could not replace existing", Answer::NonceTaken),
        ("nonce too low", Answer::NonceTaken),
        ("nonce is too low", Answer::NonceTaken),
        ("nonce has already been used", Answer::NonceTaken),
        ("old nonce", Answer::NonceTaken),
        ("nonce too high", Answer::NonceTooHigh),
        ("nonce is too high", Answer::NonceTooHigh),
        ("nonce too far", Answer::NonceTooHigh),
        ("nonce gap", Answer::NonceTooHigh),
        ("gapped", Answer::NonceTooHigh),
        ("less than block base fee", Answer::FeeTooLow),
        ("fee cap less than", Answer::FeeTooLow),
        ("feecap", Answer::FeeTooLow),
        ("underpriced", Answer::FeeTooLow),
        ("fee too low", Answer::FeeTooLow),
        ("gas price too low", Answer::FeeTooLow),
        ("insufficient funds", Answer::InsufficientFunds),
        ("insufficient balance", Answer::InsufficientFunds),
        ("gas required exceeds allowance", Answer::InsufficientFunds),
        ("out of funds", Answer::InsufficientFunds),
        ("lack of funds", Answer::InsufficientFunds),
    ];
    let message = message.to_lowercase();
    WORDS.iter().find(|(words, _)| message.contains(words)).map_or(Answer::Other, |(_, answer)| *answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_common_implementations() {
        let cases = [
            ("already known", Answer::Known),
            ("transaction already imported", Answer::Known),
            ("nonce too low: next nonce 5, tx nonce 4", Answer::NonceTaken),
            ("replacement transaction underpriced", Answer::NonceTaken),
            ("transaction underpriced: gas tip cap 0, minimum needed 1", Answer::FeeTooLow),
            ("max fee per gas less than block base fee: address 0x…, maxFeePerGas: 1", Answer::FeeTooLow),
            ("nonce too high", Answer::NonceTooHigh),
            ("Insufficient funds for gas * price + value", Answer::InsufficientFunds),
            ("execution reverted", Answer::Other),
        ];
        for (message, expected) in cases {
            assert_eq!(of(message), expected, "{message}");
        }
    }
}
