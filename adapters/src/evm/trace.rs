use alloy_primitives::{Address, Selector};
use revm::Inspector;
use revm::context::ContextTr;
use revm::interpreter::{CallInputs, CallOutcome, CreateInputs, CreateOutcome};

/// Frames deeper than this are not kept.
const DEEPEST: usize = 3;

/// A call among those of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// 0 for the transaction's own call, 1 for those that it makes, …
    pub depth: usize,
    /// The contract called.
    pub to: Address,
    /// The function called; zero if there is none.
    pub selector: Selector,
    /// Gas of the call and of all that it called, without refunds.
    pub gas: u64,
    /// Whether it succeeded.
    pub succeeded: bool,
}

/// Watches the calls of a transaction.
#[derive(Debug, Default)]
pub(super) struct Trace {
    frames: Vec<Frame>,
    /// The frames that are open, by their place in `frames` where they are kept.
    open: Vec<Option<usize>>,
}

impl Trace {
    pub(super) fn take(&mut self) -> Vec<Frame> {
        std::mem::take(&mut self.frames)
    }

    fn close(&mut self, gas: u64, succeeded: bool) {
        if let Some(frame) = self.open.pop().flatten().and_then(|k| self.frames.get_mut(k)) {
            (frame.gas, frame.succeeded) = (gas, succeeded);
        }
    }
}

impl<CTX: ContextTr> Inspector<CTX> for Trace {
    fn call(&mut self, context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        let depth = self.open.len();
        let kept = (depth <= DEEPEST).then(|| {
            let selector = inputs.input.as_bytes(context).get(..4).map(Selector::from_slice).unwrap_or_default();
            self.frames.push(Frame { depth, to: inputs.target_address, selector, gas: 0, succeeded: false });
            self.frames.len().saturating_sub(1)
        });
        self.open.push(kept);
        None
    }

    fn call_end(&mut self, _: &mut CTX, _: &CallInputs, outcome: &mut CallOutcome) {
        self.close(outcome.result.gas.total_gas_spent(), outcome.result.is_ok());
    }

    fn create(&mut self, _: &mut CTX, _: &mut CreateInputs) -> Option<CreateOutcome> {
        self.open.push(None);
        None
    }

    fn create_end(&mut self, _: &mut CTX, _: &CreateInputs, _: &mut CreateOutcome) {
        self.open.pop();
    }
}
