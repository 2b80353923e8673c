"""TFLite models: the file, its operators as layers, the network that they make."""
