# SPDX-License-Identifier: GPL-3.0-or-later
"""What servers say is wrong, as FastAPI, zod, gateways and providers wrap it."""

from __future__ import annotations

import json

import pytest

from genai_render.backends.http.envelopes import is_refusal, said, said_by

ZOD = [{"code": "too_big", "path": ["image", 0, "size"], "message": "Too big: expected <= 4"}]

SAID = {
    "OpenAI": ({"error": {"message": "Bad size.", "type": "x", "param": None}}, "Bad size."),
    "text in error": ({"error": "No such model"}, "No such model"),
    "FastAPI": (
        {
            "detail": [
                {
                    "type": "greater_than_equal",
                    "loc": ["body", "steps"],
                    "msg": "Input should be greater than or equal to 1",
                    "input": {"image": "aaaa"},
                }
            ]
        },
        "steps: Input should be greater than or equal to 1",
    ),
    "FastAPI's own": ({"detail": "Sampler not found"}, "Sampler not found"),
    "FastAPI, nested": ({"detail": {"error": {"message": "Too many"}}}, "Too many"),
    "A1111": (
        {"error": "HTTPException", "detail": "Sampler not found", "body": "", "errors": ""},
        "HTTPException: Sampler not found",
    ),
    "zod 3": (
        {"success": False, "error": {"issues": ZOD, "name": "ZodError"}},
        "image.0.size: Too big: expected <= 4",
    ),
    "zod 4": (
        {"success": False, "error": {"name": "ZodError", "message": json.dumps(ZOD)}},
        "image.0.size: Too big: expected <= 4",
    ),
    "zod, bare": ({"error": ZOD}, "image.0.size: Too big: expected <= 4"),
    "OpenRouter": (
        {
            "error": {
                "message": "Provider returned error",
                "code": 400,
                "metadata": {
                    "raw": '{"error":{"message":"height must be a multiple of 16"}}',
                    "provider_name": "Acme",
                },
            }
        },
        "Provider returned error: height must be a multiple of 16",
    ),
    "problem details": ({"title": "Bad Request", "detail": "n > 1", "status": 400},
                        "Bad Request: n > 1"),
    "by field": ({"message": "Invalid.", "errors": {"size": ["must be 1:1"]}},
                 "Invalid.: size: must be 1:1"),
    "list": ({"errors": [{"message": "One"}, {"message": "Two"}]}, "One; Two"),
    "nothing": ({"created": 1}, ""),
}  # fmt: skip


@pytest.mark.parametrize(("body", "words"), SAID.values(), ids=SAID)
def test_the_words_are_found(body, words):
    assert said(body) == words


def test_a_page_of_a_proxy_is_its_title():
    page = b"<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n<body>nginx"
    assert said_by(page, "text/html") == "413 Request Entity Too Large"
    assert said_by(b"Maximum request body size 100 exceeded", "text/plain").startswith("Maximum")
    assert said_by(b'{"detail": "no"}', "") == "no"


REFUSALS = {
    "OpenAI": {"error": {"code": "moderation_blocked", "message": "Rejected."}},
    "OpenAI, words": {
        "error": {
            "type": "image_generation_user_error",
            "code": None,
            "message": "Your request was rejected as a result of our safety system.",
        }
    },
    "Azure": {
        "error": {
            "code": "contentFilter",
            "innererror": {"code": "ResponsibleAIPolicyViolation"},
            "message": "The response was filtered",
        }
    },
    "OpenRouter": {
        "error": {"code": 403, "message": "Blocked", "metadata": {"reasons": ["violence"]}}
    },
    "gateway": {
        "error": {
            "message": "litellm.BadRequestError: OpenAIException - Your request was rejected as a "
            "result of our safety system",
            "code": "400",
        }
    },
    "raw": {
        "error": {
            "message": "Provider returned error",
            "metadata": {"raw": '{"error":{"code":"content_policy_violation"}}'},
        }
    },
    "FastAPI": {"detail": "NSFW content detected in the prompt"},
    "BytePlus": {"error": {"code": "InputImageSensitiveContentDetected", "message": "no"}},
    "BFL": {"id": "1", "status": "Request Moderated", "result": None},
    "finish reason": {"artifacts": [], "finish_reason": "CONTENT_FILTERED"},
    "fal": {"images": [], "has_nsfw_concepts": [True]},
    "Alibaba": {"code": "DataInspectionFailed", "message": "Input data may contain something."},
    "in a validation error": {
        "detail": [{"loc": ["body", "prompt"], "msg": "Invalid value: prompt was flagged as NSFW"}]
    },
    "with its parameter": {
        "error": {
            "code": "invalid_value",
            "param": "prompt",
            "message": "The prompt was rejected by our safety system.",
        }
    },
    "not permitted": {"error": "This content is not permitted by our safety policy."},
    "in a text": "This prompt was flagged by our content filter.",
}  # fmt: skip


@pytest.mark.parametrize("body", REFUSALS.values(), ids=REFUSALS)
@pytest.mark.parametrize("status", [400, 403, 500, None])
def test_safety_words_and_reasons_in_any_envelope_are_a_refusal(body, status):
    assert is_refusal(body, status)


NO_REFUSALS = {
    "a user's error": {
        "error": {
            "type": "image_generation_user_error",
            "code": None,
            "param": "size",
            "message": "Invalid size for this user.",
        }
    },
    "a user's error without a code": {
        "error": {"type": "image_generation_user_error", "message": "The mask has no alpha."}
    },
    "unknown": {
        "error": {
            "code": "unknown_parameter",
            "param": "moderation",
            "message": "Unknown parameter: 'moderation'.",
        }
    },
    "no param": {"error": {"message": "Unknown parameter: 'safety_identifier'."}},
    "a name with safety in it": {"detail": "safety_tolerance must be between 0 and 6"},
    "a value": {
        "error": {
            "code": "invalid_value",
            "message": "Invalid value: 'off'. Supported values for moderation are 'low', 'auto'.",
        }
    },
    "zod": {"error": {"issues": [{"path": ["enable_safety_checker"], "message": "Required"}]}},
    "a word for a switch": {"detail": "nsfw must be a boolean"},
    "a status": {"status": "error", "error": {"message": "n must be 1"}},
    "unspecific": {"error": {"message": "Bad request"}},
    "marks that are off": {"images": [], "has_nsfw_concepts": [False], "flagged": False},
}  # fmt: skip


@pytest.mark.parametrize("body", NO_REFUSALS.values(), ids=NO_REFUSALS)
def test_a_parameter_that_is_wrong_is_no_refusal(body):
    assert not is_refusal(body, 400)


@pytest.mark.parametrize("status", [401, 402, 404, 413, 429])
def test_a_key_or_a_limit_is_no_refusal_whatever_words_stand_beside_it(status):
    assert not is_refusal({"error": {"message": "Your account was flagged by moderation"}}, status)
