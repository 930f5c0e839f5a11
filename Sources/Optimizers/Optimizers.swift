// The room of Optimizers.
