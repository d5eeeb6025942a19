"""What a network sees of a mini-batch, and networks that are written once for any number of ranks."""

from fulmen_split_parallel.networks.attention import AttentionConvolution
from fulmen_split_parallel.networks.batch import GraphBatch, GraphLayer
from fulmen_split_parallel.networks.batch_norm import BatchNorm
from fulmen_split_parallel.networks.convolution import LayerConvolution
from fulmen_split_parallel.networks.degree import DegreeConvolution
from fulmen_split_parallel.networks.dropout import KeyedDropout
from fulmen_split_parallel.networks.errors import NetworkError
from fulmen_split_parallel.networks.gin import GinConvolution
from fulmen_split_parallel.networks.named import GCN, GIN
from fulmen_split_parallel.networks.network import GraphNetwork
from fulmen_split_parallel.networks.perceptron import Perceptron
from fulmen_split_parallel.networks.sage import SageConvolution
from fulmen_split_parallel.networks.stack import Stack

__all__ = [
    "GCN",
    "GIN",
    "AttentionConvolution",
    "BatchNorm",
    "DegreeConvolution",
    "GinConvolution",
    "GraphBatch",
    "GraphLayer",
    "GraphNetwork",
    "KeyedDropout",
    "LayerConvolution",
    "NetworkError",
    "Perceptron",
    "SageConvolution",
    "Stack",
]
