"""Tells those who wait how the queue moves, at most once a second."""

from __future__ import annotations

import asyncio

from generator_service.wake.contract import Topic, Wake
from generator_service.watch.queue_view import QueueView
from generator_service.watch.watchers import Watchers

INTERVAL_SECONDS = 1.0
POLL_SECONDS = 30.0


async def tell_queue_news(wake: Wake, view: QueueView, watchers: Watchers) -> None:
    """After events, send waiting tasks their place and remaining time, until cancelled."""
    signal = wake.subscribe(Topic.LOG)
    told: dict[int, int] = {}
    try:
        while True:
            await signal.wait(POLL_SECONDS)
            # Not waiting for anything to happen: this is the pace at which places are told.
            await asyncio.sleep(INTERVAL_SECONDS)
            places = {}
            for news in view.waiting():
                places[news.task_id] = news.queue_position
                if told.get(news.task_id) != news.queue_position and watchers.watched(news.user_id):
                    watchers.push_progress(news)
            told = places
    finally:
        signal.close()
