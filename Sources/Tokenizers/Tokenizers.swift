// The room of Tokenizers.
