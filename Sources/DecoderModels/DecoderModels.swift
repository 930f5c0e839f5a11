// The room of DecoderModels.
