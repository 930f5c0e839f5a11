// The room of Adapters.
