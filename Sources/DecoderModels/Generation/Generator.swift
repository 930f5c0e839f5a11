package import Kernels
package import System

/// Continues a prompt token by token.
package struct Generator {
    /// Why a generation ended.
    package enum Finish: String, Sendable {
        /// An end token, or the caller's word.
        case stop
        /// The most tokens that were asked for.
        case length
    }

    package struct Result: Sendable {
        /// Generated ids, without an end token.
        package let ids: [Int32]
        package let finish: Finish
        package let promptTokensPerSecond: Double
        package let tokensPerSecond: Double
    }

    private let session: GenerationSession
    private let prompt: [Int32]
    private let maximumTokens: Int

    package init(_ model: DecoderModel, prompt: [Int32], maximumTokens: Int, context: ComputeContext) {
        session = GenerationSession(model, capacity: prompt.count + maximumTokens, context: context)
        self.prompt = prompt
        self.maximumTokens = maximumTokens
    }

    /// Generates until an end token of the sampler, the limit, or `body` says to stop.
    ///
    /// - Parameter body: takes each id as it is chosen; false ends the generation, that id included.
    package func run(_ sampler: Sampler, _ body: (Int32) throws(Failure) -> Bool) throws(Failure) -> Result {
        let start = MonotonicClock.seconds
        var logits = try session.take(prompt[...])
        let promptEnd = MonotonicClock.seconds
        var history = prompt, ids: [Int32] = []
        var finish = Finish.length
        while ids.count < maximumTokens {
            let id = try sampler.next(logits.span, history: history, position: ids.count)
            if sampler.isStop(id) {
                finish = .stop
                break
            }
            ids.append(id)
            history.append(id)
            guard try body(id) else {
                finish = .stop
                break
            }
            if ids.count < maximumTokens { logits = try session.take([id]) }
        }
        let end = MonotonicClock.seconds
        return Result(
            ids: ids, finish: finish, promptTokensPerSecond: Double(prompt.count) / max(promptEnd - start, 1e-9),
            tokensPerSecond: Double(ids.count) / max(end - promptEnd, 1e-9))
    }
}
