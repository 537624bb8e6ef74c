"""boto3 as its own documentation uses it: python boto3_client.py ENDPOINT ACCESS SECRET BUCKET KEY FILE.

Prints a line of JSON: seconds and processor time of the transfer alone, and the largest that the process was, in bytes.
"""  # noqa: INP001 - a program

import json
import resource
import sys
import time

import boto3
from botocore.config import Config

endpoint, access, secret, bucket, key, file = sys.argv[1:]
s3 = boto3.client(
    "s3",
    endpoint_url=endpoint,
    region_name="us-east-1",
    aws_access_key_id=access,
    aws_secret_access_key=secret,
    config=Config(s3={"addressing_style": "path"}),
)
s3.head_bucket(Bucket=bucket)
began_s, before_s = time.monotonic(), time.process_time()
s3.upload_file(file, bucket, key, ExtraArgs={"ChecksumAlgorithm": "SHA256"})
took = {"seconds": time.monotonic() - began_s, "cpu_s": time.process_time() - before_s}
peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
sys.stdout.write(json.dumps({**took, "peak_rss_bytes": peak_bytes}) + "\n")
