//! Many questions in one call.

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::{SolConstructor, SolValue, sol};

// Its answer is not in its ABI, for a constructor has none.
sol!(Multicall, "../fixtures/contracts/own/Multicall.json");

/// Questions in one call. With the longest questions its code stays below the 49,152 bytes that creation code may have, with the longest answers what it
/// makes of them below the 24,576 that a contract's may.
pub(super) const QUESTIONS: usize = 100;
/// Bytes of a question and of its answer, at the most.
const LONGEST: (usize, usize) = (192, 160);

/// Whether questions of one kind can go together: for how long an answer is known, `size`, if it is.
pub(super) fn fits(questions: &[(Address, Bytes)], size: Option<usize>) -> bool {
    size.is_some_and(|size| size <= LONGEST.1) && questions.iter().all(|(_, data)| data.len() <= LONGEST.0)
}

/// The creation code that answers questions.
pub(super) fn code(questions: &[(Address, Bytes)]) -> Bytes {
    let questions = questions.iter().map(|(target, data)| Multicall::Question { target: *target, data: data.clone() }).collect();
    let call = Multicall::constructorCall { questions, most: U256::from(LONGEST.1) };
    [Multicall::BYTECODE.as_ref(), &call.abi_encode()].concat().into()
}

/// What it has answered: as many answers as there were questions, empty where there is none. `None` if it is no such thing.
pub(super) fn answers(data: &[u8], questions: usize) -> Option<Vec<Bytes>> {
    Vec::<Bytes>::abi_decode(data).ok().filter(|answers| answers.len() == questions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_questions_fit_into_creation_code_and_their_answers_into_a_contracts() {
        let question = (Address::repeat_byte(1), Bytes::from(vec![7; LONGEST.0]));
        let questions = vec![question; QUESTIONS];
        assert!(fits(&questions, Some(LONGEST.1)) && !fits(&questions, None) && !fits(&questions, Some(LONGEST.1 + 1)));
        assert!(!fits(&[(Address::ZERO, vec![0; LONGEST.0 + 1].into())], Some(32)));
        assert!(code(&questions).len() <= 49_152);
        let said = vec![Bytes::from(vec![7; LONGEST.1]); QUESTIONS].abi_encode();
        assert!(said.len() <= 24_576);
        assert_eq!(answers(&said, QUESTIONS).unwrap().len(), QUESTIONS);
        assert_eq!((answers(&said, QUESTIONS - 1), answers(&said[..100], QUESTIONS)), (None, None));
    }
}
