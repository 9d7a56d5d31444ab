(* W1-W4: what the normalisation of z = X g and its gradient in g are when only X's means, its
   covariance S and the product G = Xc'W are known; the radial identity; the derivative in G1. *)
Require Import Reals Lra Lia List.
From Coquelicot Require Import Coquelicot.
From bnorm Require Import Definitions Sums Frechet Column Backward.
Import ListNotations.
Open Scope R_scope.

Section WeightSpace.
Variables (s : setting) (p1 : nat) (X : nat -> nat -> R).
Hypothesis Hs : legal s.
Let Hn : n s <> 0 := proj1 Hs.
Let HM : M s <> 0 := proj2 Hs.

(* --------------------------------------------------------------------------- W1 *)
Lemma mu_lin g : mu s (lin p1 X g) = mu_w s p1 X g.
Proof.
  unfold mu_w, xbar, mu, lin.
  rewrite (rsum_ext (N s) _ (fun i => ∑ k < p1, omega s i * X i k * g k))
    by (intros; rewrite <- rsum_scal_l; apply rsum_ext; intros; ring).
  rewrite rsum_swap. unfold Rdiv. rewrite <- rsum_scal_r. apply rsum_ext. intros k _.
  rewrite rsum_scal_r. ring.
Qed.

Lemma centred_lin g i : lin p1 X g i - mu s (lin p1 X g) = ∑ k < p1, Xc s X i k * g k.
Proof.
  rewrite mu_lin. unfold lin, mu_w, Xc. rewrite <- rsum_minus. apply rsum_ext. intros; ring.
Qed.

Lemma Sg_sum g k : Sg s p1 X g k
  = (∑ i < (N s), omega s i * Xc s X i k * (lin p1 X g i - mu s (lin p1 X g))) / M s.
Proof.
  unfold Sg, S.
  rewrite (rsum_ext (N s) _ (fun i => ∑ l < p1, omega s i * Xc s X i k * Xc s X i l * g l))
    by (intros; rewrite centred_lin, <- rsum_scal_l; apply rsum_ext; intros; ring).
  rewrite rsum_swap. unfold Rdiv. rewrite <- rsum_scal_r. apply rsum_ext. intros l _.
  rewrite rsum_scal_r. ring.
Qed.

Lemma v_lin g : v s (lin p1 X g) = v_w s p1 X g.
Proof.
  unfold v_w, v.
  rewrite (rsum_ext p1 _ (fun k => / M s * ∑ i < (N s),
      (omega s i * (lin p1 X g i - mu s (lin p1 X g))) * (Xc s X i k * g k))).
  2: { intros k _. rewrite Sg_sum. unfold Rdiv. rewrite (Rmult_comm _ (/ M s)), <- Rmult_assoc,
       (Rmult_comm (g k)), Rmult_assoc, <- rsum_scal_l. f_equal. apply rsum_ext. intros; ring. }
  rewrite rsum_scal_l, rsum_swap. unfold Rdiv. rewrite Rmult_comm. f_equal. apply rsum_ext.
  intros i _. rewrite rsum_scal_l, <- centred_lin. ring.
Qed.

Lemma sigma_lin g : sigma s (lin p1 X g) = sigma_w s p1 X g.
Proof. unfold sigma, sigma_w. now rewrite v_lin. Qed.

(* --------------------------------------------------------------------------- W2 *)
Lemma G_sum w k : G s X w k = (∑ i < (N s), X i k * w i) - xbar s X k * dbeta s w.
Proof.
  unfold G, Xc, dbeta. rewrite <- rsum_scal_l, <- rsum_minus. apply rsum_ext. intros; ring.
Qed.

Lemma dgamma_lin g w :
  regular s (lin p1 X g) -> dgamma s (lin p1 X g) w = dgamma_w s p1 X g w.
Proof.
  intros Hz. pose proof (sigma_pos s _ Hz) as Hp. unfold dgamma_w. rewrite <- sigma_lin.
  rewrite (rsum_ext p1 _ (fun k => ∑ i < (N s), w i * (Xc s X i k * g k)))
    by (intros; unfold G; rewrite <- rsum_scal_l; apply rsum_ext; intros; ring).
  rewrite rsum_swap. unfold Rdiv, dgamma. rewrite <- rsum_scal_r. apply rsum_ext. intros i _.
  rewrite rsum_scal_l, <- centred_lin. unfold zhat, Rdiv. ring.
Qed.

(* --------------------------------------------------------------------------- W3 *)
Lemma sum_X_zhat g k :
  ∑ i < (N s), X i k * (omega s i * zhat s (lin p1 X g) i)
  = M s * Sg s p1 X g k / sigma s (lin p1 X g).
Proof.
  set (z := lin p1 X g).
  rewrite (rsum_ext _ _ (fun i => omega s i * Xc s X i k * (z i - mu s z) * / sigma s z
      + xbar s X k * (omega s i * zhat s z i))) by (intros; unfold zhat, Xc, Rdiv; ring).
  rewrite rsum_plus, rsum_scal_r, rsum_scal_l, sum_zhat, Sg_sum by exact Hs. fold z.
  assert (C : forall r, M s * (r / M s) = r) by (intros; field; exact HM).
  rewrite C. unfold Rdiv. ring.
Qed.

Theorem dg_is_X_dz gamma g w k : regular s (lin p1 X g) ->
  ∑ i < (N s), X i k * dz s gamma (lin p1 X g) w i = dg s p1 X gamma g w k.
Proof.
  intros Hz. pose proof (sigma_pos s _ Hz) as Hp. unfold dg.
  rewrite <- dgamma_lin, <- sigma_lin, G_sum by exact Hz.
  pose proof (sum_X_zhat g k) as HX. set (z := lin p1 X g) in *. set (c := gamma / sigma s z).
  rewrite (rsum_ext _ _ (fun i => c * (X i k * w i)
      - (c * (dbeta s w / n s)) * (omega s i * X i k)
      - (c * (dgamma s z w / M s)) * (X i k * (omega s i * zhat s z i))))
    by (intros; unfold dz; fold c; unfold Rdiv; ring).
  rewrite !rsum_minus, !rsum_scal_l. rewrite HX.
  unfold xbar, mu, c. field_nonzero.
Qed.

(* 1'dz = 0, so X may be shifted. *)
Corollary dg_is_shifted gamma g w k c : regular s (lin p1 X g) ->
  ∑ i < (N s), (X i k - c) * dz s gamma (lin p1 X g) w i = dg s p1 X gamma g w k.
Proof.
  intros Hz. rewrite <- dg_is_X_dz by exact Hz.
  rewrite (rsum_ext _ _ (fun i => X i k * dz s gamma (lin p1 X g) w i
    - c * dz s gamma (lin p1 X g) w i)) by (intros; ring).
  rewrite rsum_minus, rsum_scal_l.
  change (∑ i < (N s), dz s gamma (lin p1 X g) w i)
    with (rsum (N s) (dz s gamma (lin p1 X g) w)).
  rewrite sum_dz by assumption. ring.
Qed.

Theorem radial gamma g w : regular s (lin p1 X g) ->
  ∑ k < p1, g k * dg s p1 X gamma g w k
  = gamma * dgamma_w s p1 X g w * eps s / sigma_w s p1 X g ^ 2.
Proof.
  intros Hz. pose proof (sigma_pos s _ Hz) as Hp. pose proof (sigma_square s _ Hz) as E.
  rewrite sigma_lin in Hp, E. rewrite v_lin in E. unfold dg.
  set (r := sigma_w s p1 X g) in *. set (t := dgamma_w s p1 X g w).
  rewrite (rsum_ext _ _ (fun k => gamma / r * (g k * G s X w k)
      - (gamma / r * (t / r)) * (g k * Sg s p1 X g k))) by (intros; unfold Rdiv; ring).
  rewrite rsum_minus, !rsum_scal_l. fold (v_w s p1 X g).
  replace (∑ k < p1, g k * G s X w k) with (t * r)
    by (unfold t, dgamma_w; fold r; field; lra).
  replace (v_w s p1 X g) with (r ^ 2 - eps s) by (rewrite E; ring). field. lra.
Qed.

(* --------------------------------------------------------------------------- W4 *)
Theorem bn_is_folded gamma beta g i : bn s gamma beta (lin p1 X g) i = bn_w s p1 X gamma beta g i.
Proof.
  unfold bn, bn_w, zhat. rewrite sigma_lin, mu_lin. unfold lin, Rdiv.
  rewrite (rsum_ext p1 (fun k => X i k * (g k * (gamma * / sigma_w s p1 X g)))
    (fun k => X i k * g k * (gamma * / sigma_w s p1 X g))) by (intros; ring).
  rewrite rsum_scal_r. ring.
Qed.
End WeightSpace.

(* With given statistics. *)
Lemma fold_given p1 X g bias gamma beta mean sd i :
  gamma * ((lin p1 X g i + bias - mean) / sd) + beta
  = lin p1 X (fun k => g k * (gamma / sd)) i + (beta + (bias - mean) * (gamma / sd)).
Proof.
  unfold lin, Rdiv. rewrite (rsum_ext p1 (fun k => X i k * (g k * (gamma * / sd)))
    (fun k => X i k * g k * (gamma * / sd))) by (intros; ring).
  rewrite rsum_scal_r. ring.
Qed.

(* ------------------------------------------------------ the derivative in the weights *)
Lemma frechet_lin (l : list coord) p1 X q i j : (forall k, (k < p1)%nat -> In (cG1 k j) l) ->
  frechet l (fun q => lin p1 X (g1 q j) i) q (fun h => lin p1 X (g1 h j) i).
Proof.
  intros Hl. apply frechet_rsum. intros k Hk. apply frechet_scal.
  apply (frechet_coord (cG1 k j)). now apply Hl.
Qed.

(* <X'dz, h> = <dz, X h> *)
Lemma X_adjoint N p1 X (d g : nat -> R) :
  ∑ i < N, d i * lin p1 X g i = ∑ k < p1, (∑ i < N, X i k * d i) * g k.
Proof.
  rewrite (rsum_ext N _ (fun i => ∑ k < p1, X i k * d i * g k))
    by (intros; unfold lin; rewrite <- rsum_scal_l; apply rsum_ext; intros; ring).
  rewrite rsum_swap. apply rsum_ext. intros k _. now rewrite rsum_scal_r.
Qed.

Lemma net_in_column p0 p1 p2 j : (j < p2)%nat ->
  In (cgamma j) (net_coords p0 p1 p2) /\ In (cbeta j) (net_coords p0 p1 p2)
  /\ In (cG2 j) (net_coords p0 p1 p2).
Proof.
  intros Hj. repeat split; apply in_or_app; left; apply in_flat_map; exists j;
    (split; [apply in_seq; lia|]); simpl; tauto.
Qed.

Lemma net_in_G1 p0 p1 p2 k j : (k < p1)%nat -> (j < p2)%nat -> In (cG1 k j) (net_coords p0 p1 p2).
Proof.
  intros Hk Hj. apply in_or_app. left. apply in_flat_map. exists j. split; [apply in_seq; lia|].
  right. right. right. apply in_map_iff. exists k. split; [reflexivity|apply in_seq; lia].
Qed.

Lemma net_in_theta p0 p1 p2 l : (l < p0)%nat -> In (ctheta l) (net_coords p0 p1 p2).
Proof.
  intros Hl. apply in_or_app. right. apply in_map_iff. exists l.
  split; [reflexivity|apply in_seq; lia].
Qed.

Theorem weight_space_frechet s p1 p2 X loss W q : legal s ->
  (forall j, (j < p2)%nat -> regular s (lin p1 X (g1 q j))) ->
  frechet (cells (N s) p2) loss (B_of_G1 s p1 X q)
    (fun h => ∑ j < p2, ∑ i < (N s), W j i * h (i, j)) ->
  frechet (net_coords 0 p1 p2) (fun q => loss (B_of_G1 s p1 X q)) q (fun h => ∑ j < p2,
    ((∑ k < p1, dg s p1 X (q (cgamma j)) (g1 q j) (W j) k * h (cG1 k j))
     + dgamma_w s p1 X (g1 q j) (W j) * h (cgamma j) + dbeta s (W j) * h (cbeta j))).
Proof.
  intros Hs Hq Hloss. eapply frechet_eq.
  - apply (frechet_loss s p2 loss W _ (fun q j => lin p1 X (g1 q j)) q
      (fun j i h => lin p1 X (g1 h j) i)); auto.
    + intros j Hj. destruct (net_in_column 0 p1 p2 j Hj) as [H1 [H2 _]]. now split.
    + intros i j Hi Hj. apply frechet_lin. intros k Hk. now apply net_in_G1.
  - intros h. apply rsum_ext. intros j Hj. rewrite X_adjoint, dgamma_lin by auto. f_equal. f_equal.
    apply rsum_ext. intros k _. now rewrite dg_is_X_dz by auto.
Qed.
