internal import System
package import Tokenizers

extension Tokenizer: RowTokenizer {
    package func encodeRow(_ text: String, addSpecialTokens: Bool) -> EncodedText {
        let encoded = encodeWithOffsets(text, addSpecialTokens: addSpecialTokens, controlText: .plain)
        return EncodedText(ids: encoded.ids, spans: encoded.ranges)
    }
}

extension RowEncoder {
    /// The encoder of a model: its tokenizer, where it has one, and the end token that its files name.
    ///
    /// - Parameter vocabularySize: rows of the model's embedding.
    package init(_ directory: TokenizerDirectory?, vocabularySize: Int) {
        self.init(
            tokenizer: directory?.tokenizer, endToken: directory?.endToken?.id ?? directory?.endTokenIDs.first,
            vocabularySize: vocabularySize)
    }
}
