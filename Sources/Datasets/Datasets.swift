// The room of Datasets.
