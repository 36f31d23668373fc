"""The `judge` checker: a model decides, asked in both orders, several times.

judge.py what is checked, options.py what it takes, endpoint.py one request with retries and a
deadline, votes.py what votes come to, template.jinja what is asked.
"""
