# torchrun --nproc-per-node 2 clusters_torch.py ROWS STEPS: a training step of BERT-base under DistributedDataParallel and gloo.
import os, resource, sys, time
begin = time.time()
import torch
import torch.distributed as dist
from transformers import BertConfig, BertForSequenceClassification
torch.set_num_threads(1)
dist.init_process_group("gloo")
torch.manual_seed(0)
model = torch.nn.parallel.DistributedDataParallel(BertForSequenceClassification(BertConfig()).train())
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5)
rows, steps = int(sys.argv[1]), int(sys.argv[2])
ids, labels = torch.randint(1000, 30000, (rows, 128)), torch.randint(0, 2, (rows,))
seconds, started = [], time.time() - begin
for _ in range(steps):
    t = time.time()
    model(input_ids=ids, attention_mask=torch.ones_like(ids), labels=labels).loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    seconds.append(time.time() - t)
if int(os.environ["RANK"]) == 0:
    name = f"PyTorch {torch.__version__.split('+')[0]}, torchrun of two, gloo"
    print(f"{name:44} {sorted(seconds[1:])[len(seconds[1:]) // 2]:6.2f} s a step  "
          f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:5.0f} MB a process  {started:5.1f} s beside the steps")
dist.destroy_process_group()
