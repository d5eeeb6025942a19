"""The strategy `split_parallel`: GSplit's split parallelism under Lightning."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor, distributed
from torch.optim import Optimizer

import fulmen
from fulmen.errors import ConfigError, DataError
from fulmen_split_parallel.cooperative.agreement import Agreement, DisagreementError, digest_of_data
from fulmen_split_parallel.cooperative.builder import BatchBuilder
from fulmen_split_parallel.cooperative.hot_rows import HotRows
from fulmen_split_parallel.cooperative.links import Link
from fulmen_split_parallel.cooperative.lookahead import Lookahead
from fulmen_split_parallel.cooperative.opening import KINDS, Transports, open_transports
from fulmen_split_parallel.cooperative.plan import Planner
from fulmen_split_parallel.cooperative.whole_graph import SharedWholeGraph
from fulmen_split_parallel.counters import Counters
from fulmen_split_parallel.graph_cache import default_cache
from fulmen_split_parallel.loading import GraphLoader
from fulmen_split_parallel.networks import GraphBatch, GraphNetwork, NetworkError
from fulmen_split_parallel.networks.refusals import is_of_pyg, refuse_sharing
from fulmen_split_parallel.partition.cache import cached_partition
from fulmen_split_parallel.partition.errors import PartitionError
from fulmen_split_parallel.partition.partition import Partition
from fulmen_split_parallel.split_loader import SplitLoader
from fulmen_split_parallel.transfer import Transfer


class SplitParallelStrategy(DDPStrategy):
    """Splits each mini-batch of a graph over the ranks: every vertex once, at its owner.

    The vertices are partitioned once. A rank samples, loads and computes the vertices of each mini-batch that
    it owns; hidden rows cross ranks once in each layer; weights' gradients are averaged as in ``ddp``. Loss
    and gradients are those of one process on the same mini-batch, and ``devices: 1`` is that process.

    Needs data of ``split_parallel.graph`` and a network derived from ``GraphNetwork``.

    Args:
        partitioner: ``restreaming``, ``metis``, ``hash``, or a file: a ``.npy`` with the rank of each vertex
            within its group, or an ``.npz`` of ``fulmen split_parallel partition``.
        presample_epochs: Epochs sampled ahead, from whose counts vertices and edges get their weights; 0:
            weights are those of the whole graph.
        group_size: Ranks that split a mini-batch; groups are data parallel to each other. None: all ranks.
        transport: What takes rows between ranks: ``auto``, ``shm`` (shared memory of a host), ``gloo``,
            ``nccl``. ``auto`` on GPUs is NCCL, unless ``process_group_backend`` is another.
        cache_rows: Rows that a rank keeps of its own vertices, those that pre-sampling loaded most; on a GPU
            in its memory, on a CPU they are only counted.
        **kwargs: Of Lightning's ``DDPStrategy``, ``timeout`` for example.

    Raises:
        ConfigError: an option, or the number of ranks, is out of range (before any rank waits for another).

    Source: Polisetty et al., GSplit (arXiv:2303.13775).
    """

    strategy_name = "split_parallel"

    def __init__(
        self,
        partitioner: str = "restreaming",
        presample_epochs: int = 2,
        group_size: int | None = None,
        transport: Literal["auto", "shm", "gloo", "nccl"] = "auto",
        cache_rows: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        least = (
            ("presample_epochs", presample_epochs, 0),
            ("group_size", group_size, 1),
            ("cache_rows", cache_rows, 0),
        )
        for name, value, at_least in least:
            if value is not None and value < at_least:
                raise ConfigError(
                    f"split_parallel: {name} is {value}; expected {at_least} or more: change it."
                )
        if transport not in KINDS:
            raise ConfigError(
                f"split_parallel: transport is {transport!r}; expected one of {', '.join(KINDS)}."
            )
        self.partitioner, self.presample_epochs = partitioner, presample_epochs
        self.group_size, self.transport, self.cache_rows = group_size, transport, cache_rows
        self._transports: Transports | None = None
        self._agreement: Agreement | None = None
        self._lookahead: Lookahead | None = None
        self._partitions: dict[Any, Partition] = {}
        self._planner: Planner | None = None
        self._links: list[Link] = []
        self._linked = False
        self._batch: GraphBatch | None = None
        self._counts: dict[str, float] = {}

    # Setting up ------------------------------------------------------------------------------------

    def setup_distributed(self) -> None:
        """Refuse ranks that groups do not divide, then join the others."""
        self.set_world_ranks()
        size = self.group_size
        if size is not None and self.world_size % size:
            raise ConfigError(
                f"split_parallel: {self.world_size} ranks are not divided by groups of {size}; expected a "
                "group_size that divides devices x num_nodes: change one of them."
            )
        try:
            super().setup_distributed()
        except distributed.DistBackendError as error:
            if "Duplicate GPU" not in str(error):
                raise
            raise ConfigError(
                f"split_parallel: rank {self.global_rank} shares {self.root_device} with another, and NCCL "
                "takes one rank for each GPU; expected as many GPUs as ranks: set the strategy's "
                "process_group_backend to gloo to share one."
            ) from error
        if len(self.groups) > 1 and self.root_device.type == "cuda":
            # Bound to a GPU, torch splits NCCL's communicator at the ranks outside of a new group, also where
            # that is gloo's and its members split nothing: they would wait for each other for ever.
            distributed.distributed_c10d._get_default_group().bound_device_id = None

    def setup(self, trainer: Trainer) -> None:
        """Refuse networks that cannot be split, open the ways between ranks, then do what ``ddp`` does."""
        assert self.lightning_module is not None
        require_graph_networks(self.lightning_module)
        callbacks = trainer.callbacks  # type: ignore[attr-defined]
        if not any(isinstance(callback, Counters) for callback in callbacks):
            callbacks.append(Counters())
        self._open()
        super().setup(trainer)

    def _open(self) -> None:
        self._close()
        timeout = self._timeout or timedelta(minutes=30)
        # Where gradients do not go by NCCL, rows cannot be expected to: ranks may share a GPU.
        by_nccl = self.transport == "nccl" or self._process_group_backend == "nccl"
        device = self.root_device if by_nccl else torch.device("cpu")
        try:
            self._transports = open_transports(self.transport, self.groups, device, timeout)
        except ValueError as error:
            raise ConfigError(f"split_parallel: {error}") from error
        self._agreement = Agreement.of_all_ranks(timeout)
        self._lookahead = Lookahead()

    @property
    def groups(self) -> list[list[int]]:
        """The ranks of each group; ranks of a host, which are neighbours, share one where they can."""
        size = self.group_size or self.world_size
        return [list(range(first, first + size)) for first in range(0, self.world_size, size)]

    @property
    def transport_in_use(self) -> str:
        """What rows go through: ``none``, ``shm``, ``gloo``, ``nccl`` or ``shm and gloo``."""
        return self._opened()[0].kind

    @property
    def distributed_sampler_kwargs(self) -> dict[str, Any]:
        """Every rank sees all data: which part of each mini-batch is its own is this strategy's affair."""
        return {"num_replicas": 1, "rank": 0}

    @property
    def restore_checkpoint_after_setup(self) -> bool:
        """Weights are read once the model has its precision: float64 ones must not pass through float32."""
        return True

    # Data ------------------------------------------------------------------------------------------

    def process_dataloader(self, dataloader: object) -> object:
        """Return a loader that gives this rank's part of the global mini-batches of `dataloader`."""
        if not isinstance(dataloader, GraphLoader):
            raise DataError(
                f"split_parallel: the data give {type(dataloader).__name__}s, which have no mini-batches of "
                "a graph; expected data: split_parallel.graph. (Use another strategy for these.)"
            )
        transports, agreement, lookahead = self._opened()
        graph = dataloader.graph
        try:
            agreement.require_same("data", digest_of_data(graph), "copy one host's graph to the others")
            partition = self._partition(dataloader)
            if not self._linked:
                # Not before: a partitioner that keeps the interpreter for itself would pass for a dead host.
                assert self.cluster_environment is not None
                self._links, self._linked = agreement.link_hosts(self.cluster_environment.main_address), True
        except DisagreementError as error:
            raise DataError(f"split_parallel: {error}.") from None
        planner = Planner(dataloader.make_sampler(graph), partition.owner, transports.ids)
        group = next(place for place, ranks in enumerate(self.groups) if self.global_rank in ranks)
        hot = partition.hottest(transports.rows.rank, self.cache_rows)
        features = HotRows(graph.features, hot, self.root_device)
        builder = BatchBuilder(graph, planner, features, transports, group, len(self.groups), self.world_size)
        self._planner = planner
        return SplitLoader(dataloader, builder, lookahead, self._note, Transfer(self.root_device))

    def _partition(self, loader: GraphLoader) -> Partition:
        """Return who owns what: made by one rank of each host, unless it was made before."""
        trainer = self.lightning_module.trainer if self.lightning_module else None
        data = getattr(trainer, "datamodule", None)
        # What is trained decides, whichever stage comes first.
        fanouts = list(getattr(data, "fanouts", loader.fanouts))
        batch_size = int(getattr(data, "batch_size", loader.batch_size))
        seed = int(getattr(data, "seed", loader.seed))
        sampler = str(getattr(data, "sampler_name", "neighbour"))
        cache = getattr(data, "cache", None) or default_cache()
        parts = len(self.groups[0])
        key = (loader.graph.fingerprint(), parts, tuple(fanouts), batch_size, seed, sampler)
        if key not in self._partitions:
            _, agreement, _ = self._opened()

            def make() -> Partition:
                try:
                    return cached_partition(
                        cache,
                        loader.graph,
                        self.partitioner,
                        parts,
                        fanouts,
                        batch_size,
                        self.presample_epochs if len(loader.graph.train_idx) else 0,
                        seed,
                        sampler,
                        write=fulmen.write_artifact,
                        progress=fulmen.progress,
                    )
                except PartitionError as error:
                    raise DataError(f"split_parallel: {error}.") from error

            made = agreement.first_of_each_host(make, self.local_rank == 0)
            agreement.require_same("partitions", made.digest, "copy one host's file to the others")
            self._partitions[key] = made
        return self._partitions[key]

    def whole_graph(self) -> SharedWholeGraph:
        """Return this rank's part of the whole graph, for inference layer by layer."""
        transports, _, lookahead = self._opened()
        if self._planner is None:
            raise DataError("split_parallel: no data yet; expected validate, test or predict to have begun.")
        return SharedWholeGraph(self._planner, transports.rows, lookahead)

    # Steps -----------------------------------------------------------------------------------------

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        """Keep the mini-batch in mind for its backward pass."""
        self._batch = next(
            (value for value in (*args, *kwargs.values()) if isinstance(value, GraphBatch)), None
        )
        return super().training_step(*args, **kwargs)

    def backward(
        self, closure_loss: Tensor, optimizer: Optimizer | None, *args: Any, **kwargs: Any
    ) -> Tensor:
        """Weigh a plain mean over this rank's seeds by how many they are, then run the backward pass.

        Where all ranks have as many, or the loss is ``GraphBatch.mean``'s, the weight is 1.
        """
        batch = self._batch
        if batch is not None and not batch.weighed and len(batch.seeds) * batch.num_shares != batch.num_seeds:
            closure_loss = closure_loss * (len(batch.seeds) * batch.num_shares / batch.num_seeds)
        return super().backward(closure_loss, optimizer, *args, **kwargs)

    @property
    def counts(self) -> dict[str, float]:
        """What this rank sampled, loaded and moved for the mini-batch given out last, and seconds by
        stage."""
        return self._counts

    def _note(self, batch: GraphBatch) -> None:
        # The very object that exchanges add to: precision plugins copy a batch with its counts.
        self._counts = batch.counts

    # The end ---------------------------------------------------------------------------------------

    def teardown(self) -> None:
        """Close the ways between ranks."""
        self._close()
        super().teardown()

    def _opened(self) -> tuple[Transports, Agreement, Lookahead]:
        assert self._transports is not None
        assert self._agreement is not None
        assert self._lookahead is not None
        return self._transports, self._agreement, self._lookahead

    def _close(self) -> None:
        for link in self._links:
            link.close()
        self._links, self._linked = [], False
        if self._lookahead is not None:
            self._lookahead.close()
        if self._transports is not None:
            self._transports.close()
        self._transports = self._agreement = self._lookahead = None
        self._planner = self._batch = None


def require_graph_networks(model: LightningModule) -> None:
    """Refuse a model whose networks cannot be split.

    Raises:
        ConfigError: names what cannot, and what to use instead.
    """
    networks = [module for module in model.modules() if isinstance(module, GraphNetwork)]
    if not networks:
        raise ConfigError(
            f"split_parallel: {type(model).__name__} has no GraphNetwork; its layers would see only the rows "
            "of one "
            "rank: derive its network from fulmen_split_parallel.networks.GraphNetwork, or use "
            "split_parallel.sage."
        )
    try:
        refuse_sharing(model)
    except NetworkError as error:
        raise ConfigError(f"split_parallel: {error}") from error
    inside = {id(module) for network in networks for module in network.modules()}
    for name, module in model.named_modules():
        if id(module) not in inside and is_of_pyg(module, {"MessagePassing"}):
            raise ConfigError(
                f"split_parallel: {name} ({type(module).__name__}) stands outside a GraphNetwork and would "
                "see only the rows of one rank; make it one of the network's convolutions."
            )
