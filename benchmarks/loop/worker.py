"""The loop's worker: python -m benchmarks.loop.worker ADDRESS MCP_URL. Tuned: clients shared, no gzip, uvloop."""

import asyncio
import signal
import sys

import httpx2
import uvloop
from anthropic import AsyncAnthropic
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from temporalio.client import Client as Temporal
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import GrpcCompression
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from benchmarks.loop.activities import Activities, tools_of
from benchmarks.loop.messages import TASK_QUEUE
from benchmarks.loop.workflow import ApprovedWorkflow, LoopWorkflow


async def main(address: str, mcp_url: str) -> None:
    """Work until told to stop; says `ready` when it polls."""
    temporal = await Temporal.connect(
        address, data_converter=pydantic_data_converter, grpc_compression=GrpcCompression.NONE
    )
    everything = SandboxRestrictions.default.with_passthrough_all_modules()
    async with (
        AsyncAnthropic(max_retries=0) as claude,
        httpx2.AsyncClient(timeout=60, limits=httpx2.Limits(max_connections=256)) as http,
        Client(streamable_http_client(mcp_url, http_client=http)) as server,
    ):
        activities = Activities(claude, server, await tools_of(server))
        worker = Worker(
            temporal,
            task_queue=TASK_QUEUE,
            workflows=[LoopWorkflow, ApprovedWorkflow],
            activities=[activities.ask, activities.call],
            workflow_runner=SandboxedWorkflowRunner(restrictions=everything),
            build_id="loop",
            max_concurrent_activities=100,
            max_cached_workflows=1000,
            max_concurrent_workflow_task_polls=10,
            max_concurrent_activity_task_polls=10,
        )
        async with worker:
            print("ready", flush=True)
            stopped = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
            await stopped.wait()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
