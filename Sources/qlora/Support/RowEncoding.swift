internal import Datasets
internal import DecoderModels
internal import ModelFiles
internal import System
internal import Tokenizers

extension RowEncoder {
    /// What makes tokens of rows for a model: its tokenizer, where its directory has one, and its end token.
    static func forModel(_ directory: ModelDirectory, _ configuration: DecoderConfiguration) throws(Failure)
        -> RowEncoder
    {
        let tokenizer =
            TokenizerDirectory.isPresent(in: directory.path) ? try TokenizerDirectory.load(directory.path) : nil
        return RowEncoder(tokenizer, vocabularySize: configuration.vocabularySize)
    }
}
