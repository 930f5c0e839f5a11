// The room of QuantFormats.
