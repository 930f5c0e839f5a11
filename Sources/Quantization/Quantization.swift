// The room of Quantization.
