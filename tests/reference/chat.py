"""Conversations as transformers writes them by chat templates: `apply_chat_template` of its own Jinja.

Usage: python chat.py > chat.json. Made with transformers 5.24.0 and Jinja2 3.1.6. The templates are written here in the
formats of ChatML, Llama 3, Mistral, Qwen2.5 and SmolLM2, with the means that the published ones use: loops with `loop`'s
fields, slices, namespaces, whitespace control, `raise_exception`, `tojson`, methods of Python's texts, macros.
"""

import json
import sys

from jinja2.exceptions import TemplateError
from transformers.utils.chat_template_utils import render_jinja_template

CHATML = """{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""

SMOLLM2 = """{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nYou are a helpful AI assistant<|im_end|>\\n' }}{% endif %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""

QWEN25 = """{%- if tools %}
    {{- '<|im_start|>system\\n' }}{{- tools | tojson }}{{- '<|im_end|>\\n' }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>system\\nYou are a careful assistant.<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role }}
        {%- if message.content %}
            {{- '\\n' + message.content }}
        {%- endif %}
        {%- for tool_call in message.tool_calls %}
            {{- '\\n<tool_call>\\n{"name": "' }}
            {{- tool_call.name }}
            {{- '", "arguments": ' }}
            {{- tool_call.arguments | tojson }}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""

LLAMA3 = """{{- bos_token }}
{%- if not date_string is defined %}
    {%- set date_string = "26 Jul 2024" %}
{%- endif %}
{#- The system message goes first, and is taken out of the loop. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{{- "Today Date: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""

MISTRAL = """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('After the optional system message, conversation roles must alternate user/assistant/user/assistant/...') }}
    {%- endif %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"].strip() + eos_token}}
    {%- else %}
        {{- raise_exception("Only user and assistant roles are supported") }}
    {%- endif %}
{%- endfor %}
"""

METHODS = """{%- macro shown(text, n=2) -%}
{{ text.strip() | upper }}{% for i in range(n) %}.{% endfor %}
{%- endmacro -%}
{%- set ns = namespace(seen=0, last='') -%}
{% for message in messages %}
    {%- set ns.seen = ns.seen + 1 %}
    {% if message.content.startswith('a') %}
{{ shown(message.content) }}
    {% elif '</think>' in message.content %}
{{ message.content.split('</think>')[-1].lstrip('\\n') }}
    {% else %}
{{ message.content.replace('b', 'c').title() }}|{{ message.content[:2] }}|{{ message.content | length }}
    {% endif %}
    {%- set ns.last = message.role %}
{% endfor %}
{{ ns.seen }} {{ ns.last }} {{ messages | map(attribute='role') | join(',') }} {{ {'a': 1, 'b': [true, none]} | tojson }}
{% if messages[-1].get('name', 'nobody') == 'nobody' and messages is iterable and messages is not string %}x{% endif %}
{{- messages[::-1][0].role }}
"""

CONFIGS = {
    "chatml": {"chat_template": CHATML, "eos_token": "<|im_end|>"},
    "smollm2": {"chat_template": SMOLLM2, "bos_token": "<|im_start|>", "eos_token": "<|im_end|>"},
    "qwen2.5": {"chat_template": QWEN25, "bos_token": None, "eos_token": "<|im_end|>"},
    "llama3": {"chat_template": LLAMA3, "bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
    "mistral": {"chat_template": MISTRAL, "bos_token": "<s>", "eos_token": {"content": "</s>"}},
    "methods": {"chat_template": METHODS},
}
USER, OTHER = {"role": "user", "content": " Is ice cold? \n"}, {"role": "user", "content": "bad <b>\"quotes\"</b> & é"}
SYSTEM, SAID = {"role": "system", "content": "Be brief. "}, {"role": "assistant", "content": " Yes.\n"}
CONVERSATIONS = [
    [USER], [SYSTEM, USER], [USER, SAID, OTHER], [SYSTEM, USER, SAID, OTHER], [USER, OTHER],
    [{"role": "user", "content": "abc"}, {"role": "assistant", "content": "x</think>\n\ny"}],
]

cases = []
for name, config in CONFIGS.items():
    for messages in CONVERSATIONS:
        for generate in (False, True):
            tokens = {key: value["content"] if isinstance(value, dict) else value
                      for key, value in config.items() if key != "chat_template" and value}
            try:
                rendered, _ = render_jinja_template([messages], chat_template=config["chat_template"],
                                                    add_generation_prompt=generate, **tokens)
                text = rendered[0]
            except TemplateError:
                text = None
            cases.append({"template": name, "messages": messages, "generate": generate, "text": text})
json.dump({"configs": CONFIGS, "cases": cases}, sys.stdout)
